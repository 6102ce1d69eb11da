"""The running process: loop, replay, composition, logs."""
