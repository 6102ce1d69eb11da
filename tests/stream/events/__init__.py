"""Tests of `stream.events`."""
