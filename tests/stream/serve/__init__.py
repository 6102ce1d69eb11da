"""Tests of `stream.serve`."""
