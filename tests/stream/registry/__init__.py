"""Tests of `stream.registry`."""
