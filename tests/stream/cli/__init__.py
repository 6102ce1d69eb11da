"""Tests of `stream.cli`."""
