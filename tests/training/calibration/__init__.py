"""Tests of `training.calibration`."""
