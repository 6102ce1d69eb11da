"""The configuration of both halves: a YAML file, overridden by the environment, overridden by `--set`."""

from stream.settings.resolve import SettingsError, load
from stream.settings.tree import Settings, Topics

__all__ = ["Settings", "SettingsError", "Topics", "load"]
