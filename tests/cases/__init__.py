"""Histories as people really have them, through the commands: each case ends right, or is refused with what to do."""
