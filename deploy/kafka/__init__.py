"""A real Apache Kafka of one node, for tests and first steps. It uses the standard library only."""
