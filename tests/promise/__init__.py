"""Compares what calibration promises with what its thresholds do, on simulated levels: `python -m tests.promise`."""
