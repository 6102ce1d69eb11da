"""Checks and creation of topics."""
