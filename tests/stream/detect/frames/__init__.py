"""Tests of `stream.detect.frames`."""
