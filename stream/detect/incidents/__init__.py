"""From errors to incidents: level, threshold, vetoes, incident life."""
