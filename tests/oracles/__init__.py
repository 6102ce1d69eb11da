"""Slow, obvious versions of every fast algorithm; nothing of the product is imported."""
