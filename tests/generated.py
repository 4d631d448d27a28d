"""What is generated from the command tree and kept in the repository: `python -m tests.generated`.

completions/ and man/ are installed beside the program, and reference.md is part of it.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def files() -> dict[Path, str]:
    """The text of each, by its path in a checkout."""
    from kubemqctl.cli.command_tree import build
    from kubemqctl.cli.commands.help import TOPICS
    from kubemqctl.cli.common_options import root
    from kubemqctl.cli.completion_scripts import FILES, script
    from kubemqctl.cli.description import describe
    from kubemqctl.cli.man_pages import pages
    from kubemqctl.cli.reference import markdown
    from kubemqctl.model.text import docstring

    tree = describe(build())
    scripts = {ROOT / "completions" / name: script(shell, tree, TOPICS) for shell, name in FILES.items()}
    manual = {ROOT / "man" / name: text for name, text in pages(tree, docstring(root)).items()}
    return {**scripts, **manual, ROOT / "kubemqctl" / "cli" / "reference.md": markdown(tree)}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
