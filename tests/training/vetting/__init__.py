"""Tests of `training.vetting`."""
