"""Thresholds from held-out normal data."""
