"""Vetting: findings about the sensors of a history before a model is trained on them."""
