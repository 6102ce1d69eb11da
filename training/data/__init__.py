"""From Parquet files to framed, split and vetted histories."""
