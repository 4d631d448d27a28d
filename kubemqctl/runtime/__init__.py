"""What one run of the program has: options, streams, signals."""
