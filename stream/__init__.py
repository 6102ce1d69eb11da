"""narrows, the online half: readings in, scores and incidents out."""
