"""The protocol: generated messages, and the only code that spells their names."""
