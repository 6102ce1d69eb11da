"""The commands of `narrows`, one file each."""
