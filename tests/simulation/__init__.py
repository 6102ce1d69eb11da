"""Simulation of the service on a Kafka in memory: schedules of crashes and freezes, each from a seed."""
