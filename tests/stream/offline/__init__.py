"""Tests of `stream.offline`."""
