"""Where files are kept: a local folder, or object storage."""
