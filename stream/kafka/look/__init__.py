"""One series from outside: its snapshot, and the readings since through the real detector."""
