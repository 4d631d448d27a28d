"""The texts of `kubemqctl help TOPIC`: a file each in topics/, whose first line says what it is about."""

from __future__ import annotations

from pathlib import Path

TOPICS = (
    "patterns",
    "streams",
    "records",
    "exit-codes",
    "connections",
    "positions",
    "handlers",
    "transactions",
    "recipes",
    "reference",
)
"""In the order in which one would read them."""
_REFERENCE = "Every command and option, as Markdown."


def text(topic: str) -> str:
    """What is printed of it."""
    here = Path(__file__)
    path = (
        here.with_name("reference.md") if topic == "reference" else here.with_name("topics") / f"{topic}.txt"
    )
    return path.read_text(encoding="utf-8")


def about(topic: str) -> str:
    """One line that says what it is about."""
    return _REFERENCE if topic == "reference" else text(topic).partition("\n")[0]
