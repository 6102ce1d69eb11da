"""Everything that runs around narrows: a Kafka broker, JSON Schemas, pictures. Not part of the package."""
