"""Tests of `training.evaluate`."""
