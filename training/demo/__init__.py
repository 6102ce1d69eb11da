"""The generated fleet that the demo trains on."""
