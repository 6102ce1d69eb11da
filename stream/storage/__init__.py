"""Storage of files: a local folder, or object storage."""
