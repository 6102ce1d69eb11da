"""Bundles: their files, versions and aliases."""
