"""Commands that look into a running detector from outside: they read topics, and join no group."""
