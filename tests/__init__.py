"""Tests of narrows; helpers of theirs are imported as `tests.<module>`."""
