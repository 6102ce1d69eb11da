"""What runs around narrows; not part of the package."""
