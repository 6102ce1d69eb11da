"""Evaluation of a bundle on labelled rows: figures, baselines, and the report as table, JSON and page."""
