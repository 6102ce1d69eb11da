"""Tests of `training.robustness`."""
