"""How fast is narrows, as a share of what the machine can do: `python -m tests.bench`, or `make bench`.

Each measurement is a process of its own, on one real broker, on messages that were produced beforehand.
"""
