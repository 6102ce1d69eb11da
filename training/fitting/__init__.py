"""Fits the weights of the members and their error scales."""
