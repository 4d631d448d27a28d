"""What is generated from the command tree and kept in the repository: `python -m tests.generated`.

completions/ for those who package the program, and reference.md, which is part of it.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def files() -> dict[Path, str]:
    """The text of each, by its path in a checkout."""
    from kubemqctl.cli import build
    from kubemqctl.completion import FILES, script
    from kubemqctl.reference import markdown
    from kubemqctl.topic import TOPICS
    from kubemqctl.tree import describe

    tree = describe(build())
    scripts = {ROOT / "completions" / name: script(shell, tree, TOPICS) for shell, name in FILES.items()}
    return {**scripts, ROOT / "kubemqctl" / "reference.md": markdown(tree)}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
