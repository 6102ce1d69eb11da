"""JSON Schemas of the published records, generated from their structs."""
