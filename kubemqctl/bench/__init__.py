"""Benchmarks: generate a load, measure it, and only then say what came of it. Reached through one door."""
