"""From readings to frames: ticks, missing values, operating state, scale."""
