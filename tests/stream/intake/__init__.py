"""Tests of `stream.intake`."""
