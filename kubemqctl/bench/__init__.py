"""Benchmarks: generate a load, measure it, and report the result afterwards."""
