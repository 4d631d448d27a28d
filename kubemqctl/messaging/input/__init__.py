"""Input bytes to messages: where bodies come from, how a stream is split, how records are read."""
