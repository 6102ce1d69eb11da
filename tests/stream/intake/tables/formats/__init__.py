"""Tests of `stream.intake.tables.formats`."""
