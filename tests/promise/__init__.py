"""Is the promise of calibration kept? Simulated levels of which everything is known; `python -m tests.promise`."""
