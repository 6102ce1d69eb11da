"""Tests of `stream.intake.tables`."""
