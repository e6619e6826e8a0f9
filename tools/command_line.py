"""Write the reference of docs/command-line.md: what `--help` says of each command.

`python -m tools.command_line`; a test compares.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
HEADING = "\n## Reference\n"
_PROGRAM = Path(sys.executable).with_name("db-influx")


def reference() -> str:
    """Return the section of the reference."""
    texts = [_help(command) for command in [(), *_commands()]]
    return HEADING + "".join(f"\n```text\n{text}```\n" for text in texts)


def _commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of each command, as the help of its group lists them."""
    for name in _listed(()):
        yield (name,)
        for inner in _listed((name,)):
            yield name, inner


def _listed(group: tuple[str, ...]) -> list[str]:
    _, _, listed = _help(group).partition("\nCommands:\n")
    lines = listed.split("\n\n")[0].splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]


@cache
def _help(command: tuple[str, ...]) -> str:
    settings = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    done = subprocess.run([_PROGRAM, *command, "--help"], stdout=subprocess.PIPE, env=settings, check=True)
    return done.stdout.decode()


def main() -> None:
    """Write it."""
    text, _, _ = PAGE.read_text().partition(HEADING)
    PAGE.write_text(text + reference())


if __name__ == "__main__":
    main()
