"""Snapshots of series on the state topic, and how they are restored."""
