"""Everything that talks to Kafka; the only importer of its client."""
