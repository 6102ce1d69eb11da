"""`make chaos`: kills, pauses, a broker that dies or is cut off, and an oracle that counts wrong alert events."""
