"""Fits the members of an ensemble, the scales of their errors, and their discriminators."""
