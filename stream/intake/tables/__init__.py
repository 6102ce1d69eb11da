"""Tables of history: Parquet files to columns of readings, with the purpose of each column found or configured."""
