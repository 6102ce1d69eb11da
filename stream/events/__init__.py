"""Alerts as they are read back: what people say of them, and what two bundles make of the same rows."""
