"""Tests of `stream.detect.model`."""
