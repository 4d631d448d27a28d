"""Malformed input: whatever it is, a documented exit code, no traceback, no hang, no wrong silence.

Properties checked with Hypothesis, a few examples of each in a normal run, and always the same ones;
`make fuzz` takes more and others. What they found is kept as plain examples in test_found.py.
"""
