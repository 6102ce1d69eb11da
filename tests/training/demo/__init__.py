"""Tests of `training.demo`."""
