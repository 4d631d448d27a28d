"""One module a command group, named as the user types it."""
