"""Records by which people tell the detector what they know: verdicts on alerts, and mutes."""
