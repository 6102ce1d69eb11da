"""Real data through a real broker: trained, streamed, compared with the labels. `python -m tests.real_data --help`."""
