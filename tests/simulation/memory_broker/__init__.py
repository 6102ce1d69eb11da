"""Kafka in memory for the simulation: the broker, and the clients that the service uses."""
