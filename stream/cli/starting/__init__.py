"""The first configuration: guesses from a history, from a topic or from both, and a producer's example."""
