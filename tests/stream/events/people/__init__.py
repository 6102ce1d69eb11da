"""Tests of `stream.events.people`."""
