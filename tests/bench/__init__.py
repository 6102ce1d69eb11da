"""Throughput of narrows as a share of the client's limit: `python -m tests.bench`, or `make bench`.

Each measurement is a process of its own, on one real broker, with messages that were produced before.
"""
