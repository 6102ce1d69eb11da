"""Scores that benchmarks publish: NAB and SKAB, with the figures of their own scorers."""
