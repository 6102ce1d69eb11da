"""New thresholds for a bundle from newer data."""
