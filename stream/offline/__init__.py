"""Data of files before they are framed: put in order of time, checked, and named. Every offline command does it so."""
