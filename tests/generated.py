"""What is generated from the command tree and kept in the repository: `python -m tests.generated`.

completions/ for those who package the program, and reference.md, which is part of it.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def files() -> dict[Path, str]:
    """The text of each, by its path in a checkout."""
    from kubemqctl.cli.command_tree import build
    from kubemqctl.cli.commands.help import TOPICS
    from kubemqctl.cli.completion_scripts import FILES, script
    from kubemqctl.cli.description import describe
    from kubemqctl.cli.reference import markdown

    tree = describe(build())
    scripts = {ROOT / "completions" / name: script(shell, tree, TOPICS) for shell, name in FILES.items()}
    return {**scripts, ROOT / "kubemqctl" / "cli" / "reference.md": markdown(tree)}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
