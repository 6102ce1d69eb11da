"""Tests of `stream.intake.wire`."""
