"""Tests of `training.revision`."""
