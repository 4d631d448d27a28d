"""Finding out, step by step, why a connection does not work."""
