"""Views of form: what is odd in a window though its errors are small."""
