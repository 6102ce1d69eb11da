"""Tests of `stream.cli.reports`."""
