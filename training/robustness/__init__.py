"""Evasion of a detector by an attacker who may change readings within a budget: `narrows robustness`."""
