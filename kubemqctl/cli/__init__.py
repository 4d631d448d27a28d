"""The command line: from words to one call, and from an error to an exit code."""
