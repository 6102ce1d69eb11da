"""The running service: the loop, its publisher, its watches, its health server, and how it is made from settings."""
