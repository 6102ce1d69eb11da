"""Tests of `stream.kafka.admin`."""
