"""Histories drawn at random from what people have, taken through init, train, replay and evaluate."""
