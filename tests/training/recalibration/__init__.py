"""Tests of `training.recalibration`."""
