"""A real Apache Kafka of one node, for tests and first steps. Standard library only: nothing need be installed."""
