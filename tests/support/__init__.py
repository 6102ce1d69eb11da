"""Builders, fakes and runners that several tests share."""
