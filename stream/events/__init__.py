"""Published records: alerts, verdicts, dead letters, status events, feedback; and alerts that are read back."""
