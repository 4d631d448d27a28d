"""The whole command tree, built once for all tests that look at it: it takes a tenth of a second."""

from __future__ import annotations

from kubemqctl.cli.command_tree import build
from kubemqctl.cli.description import describe

BUILT = build()
TREE = describe(BUILT)
