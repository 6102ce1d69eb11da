"""narrows, the offline half: history in Parquet in, bundles out."""
