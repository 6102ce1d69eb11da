"""Watches over what the process serves: readings, sensors, silence, thresholds."""
