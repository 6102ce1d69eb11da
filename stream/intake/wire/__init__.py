"""Wire formats: one module turns the messages of one format into columns."""
