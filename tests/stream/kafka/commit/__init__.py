"""Tests of `stream.kafka.commit`."""
