"""The pure core: frames in, levels and incidents out; no I/O, no clock."""
