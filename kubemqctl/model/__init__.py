"""Nouns, values and texts that every other package uses. Imports nothing of ours."""
