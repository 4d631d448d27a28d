"""Comparisons that anyone can run: `make bench`, or `python -m tests.benchmarks`. Ratios inside one run."""
