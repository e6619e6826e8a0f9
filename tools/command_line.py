"""Write the reference of docs/command-line.md: what `--help` says of each command.

`python -m tools.command_line`; a test compares.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
HEADING = "\n## Reference\n"
_PROGRAM = Path(sys.executable).with_name("db-influx")


def _run(arguments: tuple[str, ...]) -> str:
    settings = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    done = subprocess.run([_PROGRAM, *arguments], stdout=subprocess.PIPE, env=settings, check=True)
    return done.stdout.decode()


def reference(run: Callable[[tuple[str, ...]], str] = _run) -> str:
    """Return the section of the reference.

    Args:
        run: Runs the program with arguments, and returns what it prints.
    """
    texts = [run(("--help",))]
    for name in _listed(texts[0]):
        told = run((name, "--help"))
        texts += [told, *(run((name, inner, "--help")) for inner in _listed(told))]
    return HEADING + "".join(f"\n```text\n{text}```\n" for text in texts)


def _listed(text: str) -> list[str]:
    """List the commands that the help of their group lists."""
    _, _, listed = text.partition("\nCommands:\n")
    lines = listed.split("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]


def main() -> None:
    """Write it."""
    text, _, _ = PAGE.read_text().partition(HEADING)
    PAGE.write_text(text + reference())


if __name__ == "__main__":
    main()
