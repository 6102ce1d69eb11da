"""`narrows demo`: a generated fleet of pumps, a bundle trained on it, and the scoreboard of its faults."""
