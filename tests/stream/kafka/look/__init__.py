"""Tests of one series looked at from outside."""
