"""Judges whether a trained bundle may go to production."""
