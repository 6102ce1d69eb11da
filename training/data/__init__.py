"""From Parquet files to framed and split histories."""
