"""Child versions of a bundle: same weights, other rules or thresholds."""
