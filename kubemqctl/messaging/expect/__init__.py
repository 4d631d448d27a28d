"""`expect`: what has to come, the command that makes it come, and the watch over a channel."""
