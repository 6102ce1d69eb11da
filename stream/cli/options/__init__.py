"""The options of commands, and the values that `training` and `stream` take instead of them."""
