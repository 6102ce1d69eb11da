"""Transactions: everything is published and committed together."""
