"""What `narrows evaluate` measures: pure functions of scores, labels and incidents. Never point-adjusted."""
