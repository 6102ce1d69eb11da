"""Tests of `stream.detect`."""
