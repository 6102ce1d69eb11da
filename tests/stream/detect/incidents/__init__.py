"""Tests of `stream.detect.incidents`."""
