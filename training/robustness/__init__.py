"""Attacks on the score: what somebody who may change readings can hide, and what it costs him."""
