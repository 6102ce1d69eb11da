"""Tests of `stream.kafka.state`."""
