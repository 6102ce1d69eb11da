"""Bytes or Parquet to columns of readings."""
