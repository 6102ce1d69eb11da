"""Tables and sentences that the commands print."""
