"""Tests of `stream.storage`."""
