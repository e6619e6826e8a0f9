"""Compare what the packages export with the last release: `python -m tools.api`.

A name that is gone, or a signature that no longer takes what it took, fails unless CHANGELOG.md names it
under Changed or Removed. Without a tag in this clone there is nothing to compare with.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import griffe

from tools import versions

_ROOT = Path(__file__).parents[1]
_MODULES = {"db-core": "db_core", "db-influx": "db_influx", "db-redis": "db_redis"}

__all__ = ["breaks"]


def main() -> int:
    """Print what breaks; return whether something does."""
    tag = last_tag(_ROOT)
    if tag is None:
        print("This clone has no tag of an earlier release, so that the exports are compared with nothing.")
        return 0
    found = breaks(_ROOT, tag)
    for line in found:
        print(line)
    print(f"{len(found)} breaking changes since {tag} that CHANGELOG.md does not name")
    return int(bool(found))


def last_tag(root: Path) -> str | None:
    """Return the newest tag of a version that is not of this commit or a later one."""
    command = ["git", "tag", "--list", "v[0-9]*", "--no-contains", "HEAD", "--sort=-version:refname"]
    tags = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()
    return tags[0] if tags else None


def breaks(root: Path, tag: str) -> list[str]:
    """Return a line for each change of an exported name that breaks its users and is not in the changelog."""
    folders = [Path("packages") / package / "src" for package in _MODULES]
    named = versions.named_changes(root)
    lines = []
    for module in _MODULES.values():
        old = griffe.load_git(module, ref=tag, repo=root, search_paths=folders)
        new = griffe.load(module, search_paths=[root / folder for folder in folders])
        exported = {name: member.canonical_path for name, member in old.members.items() if member.is_exported}
        for change in griffe.find_breaking_changes(old, new):
            path = change.obj.canonical_path
            owners = [
                name
                for name, target in exported.items()
                if f"{path}.".startswith((f"{target}.", f"{module}.{name}."))
            ]
            spelled = {path, ".".join(path.split(".")[-2:]), path.rpartition(".")[2]}
            if owners and not spelled & named:
                lines.append(change.explain(griffe.ExplanationStyle.ONE_LINE))
    return lines


if __name__ == "__main__":
    sys.exit(main())
