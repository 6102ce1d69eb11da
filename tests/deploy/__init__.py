"""Tests of the broker that is started for demos and tests."""
