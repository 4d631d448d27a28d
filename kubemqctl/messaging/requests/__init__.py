"""Commands and queries: asking, and answering."""
