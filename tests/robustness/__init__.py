"""Attacks that take no gradient: replayed sensors, slow drift, poisoned recalibration. `python -m tests.robustness`."""
