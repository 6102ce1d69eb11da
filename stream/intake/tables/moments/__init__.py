"""Columns of times: their conversion, the form that they look like, and the summer time in those without a zone."""
