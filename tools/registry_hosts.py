"""Check that no file of this repository names the host of a package registry.

Which registry serves a package is the business of the machine that installs it:
many can only use a mirror. A lock file that names a host would break there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_HOSTS = re.compile(
    r"\b(pypi|pythonhosted|npmjs|anaconda|maven)\.(org|com)\b"
    r"|\b(crates|gcr|ghcr|quay)\.io\b"
    r"|\b(proxy|sum)\.golang\.org\b"
    r"|\b(deb|repo1?)\.(debian|maven)\b",
    re.IGNORECASE,
)
_CARGO_LOCK = "Cargo.lock"  # Cargo itself writes its default source there, by a name that mirrors replace


def main() -> int:
    """Print each line that names a host; return their number."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    faults = 0
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if path.name == _CARGO_LOCK or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if _HOSTS.search(line):
                print(f"{name}:{number}: names the host of a package registry")
                faults += 1
    return faults


if __name__ == "__main__":
    sys.exit(min(main(), 1))
