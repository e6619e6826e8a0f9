"""Check that no docstring of the packages begins with "Give", where "Return", "Read" or "Raise" says more."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_PACKAGES = Path(__file__).parents[1] / "packages"
_GIVES = re.compile(r'^\s*r?"""Gives?\b')


def main() -> int:
    """Print each docstring that begins so; return their number."""
    faults = 0
    for path in sorted(_PACKAGES.glob("*/src/**/*.py*")):
        name = path.relative_to(_PACKAGES).as_posix()
        if path.suffix not in (".py", ".pyi"):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if _GIVES.match(line):
                print(f"packages/{name}:{number}: begins with 'Give'; write 'Return', or what it does")
                faults += 1
    return faults


if __name__ == "__main__":
    sys.exit(min(main(), 1))
