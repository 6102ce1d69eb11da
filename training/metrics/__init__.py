"""Metrics of `narrows evaluate`: pure functions of scores, labels and incidents, never point-adjusted."""
