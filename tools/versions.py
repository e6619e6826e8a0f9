"""The version of the three packages, and the steps of a release: `python -m tools.versions [--tag TAG]`.

The version is `workspace.package.version` of Cargo.toml. It is MAJOR.MINOR.PATCH; there are no pre-releases.
Without an argument this checks that the pins among the packages and the changelog agree with it, and with
`--tag` that a release with this tag may be published. `--cut VERSION` writes a new version everywhere, with
today's date, and `--notes` prints its changes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[1]
_DEPENDENT = ("db-influx", "db-redis")
_PIN = re.compile(r'(?<="db-core==)[^"]+(?=")')
_VERSION = re.compile(r'(?m)^(version = ")([^"]+)"$')
_HEADING = re.compile(r"(?m)^## (?:(Unreleased)|(\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d))$")
_KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

__all__ = ["check", "cut", "named_changes", "notes"]


def main() -> int:
    """Check, cut or print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tag", help="the tag of the release, which must be the version's")
    parser.add_argument("--cut", metavar="VERSION", help="write this version everywhere")
    parser.add_argument("--notes", action="store_true", help="print the changes of the version")
    given = parser.parse_args()
    if given.cut:
        cut(_ROOT, given.cut, datetime.now(tz=UTC).date().isoformat())
        subprocess.run(["cargo", "update", "--workspace", "--quiet"], cwd=_ROOT, check=True)
    if given.notes:
        print(notes(_ROOT))
        return 0
    faults = check(_ROOT, given.tag)
    for fault in faults:
        print(fault)
    return int(bool(faults))


def check(root: Path, tag: str | None = None) -> list[str]:
    """Return what does not agree with the version; with a tag, also what keeps it from being published."""
    version = _version(root)
    faults = []
    for package in _DEPENDENT:
        pins = _PIN.findall((root / "packages" / package / "pyproject.toml").read_text())
        if pins != [version]:
            faults.append(f"{package} asks for db-core=={', '.join(pins)}, and the version is {version}.")
    sections = _sections(root)
    faults += _of_changelog(root, sections, version)
    if tag is not None:
        faults += _of_release(sections, version, tag)
    return faults


def cut(root: Path, version: str, date: str) -> None:
    """Write a version into Cargo.toml, the pins and the changelog, whose unreleased changes it takes."""
    sections = _sections(root)
    if re.fullmatch(r"\d+\.\d+\.\d+", version) is None:
        sys.exit(f"A version is MAJOR.MINOR.PATCH, such as 0.2.0, and {version!r} is not.")
    if _order(version) < _order(_version(root)) or version in sections:
        sys.exit(f"{version} is no version after {_version(root)}, or is in CHANGELOG.md already.")
    if not sections.get("Unreleased", "").strip():
        sys.exit("CHANGELOG.md has no unreleased changes, so that there is nothing to release.")
    manifest = root / "Cargo.toml"
    manifest.write_text(_VERSION.sub(rf'\g<1>{version}"', manifest.read_text(), count=1))
    for package in _DEPENDENT:
        path = root / "packages" / package / "pyproject.toml"
        path.write_text(_PIN.sub(version, path.read_text()))
    changelog = root / "CHANGELOG.md"
    heading = f"## Unreleased\n\n## {version} - {date}\n"
    changelog.write_text(changelog.read_text().replace("## Unreleased\n", heading, 1))


def notes(root: Path) -> str:
    """Return the changes of the version, as CHANGELOG.md has them."""
    return _sections(root).get(_version(root), "").strip()


def named_changes(root: Path, since: str) -> set[str]:
    """Return the names in backticks in the parts Changed and Removed of what is newer than a version."""
    newer = [
        text for name, text in _sections(root).items() if name == "Unreleased" or _order(name) > _order(since)
    ]
    parts = re.findall(r"(?ms)^### (?:Changed|Removed)$(.*?)(?=^### |\Z)", "\n".join(newer))
    return set(re.findall(r"`([A-Za-z_][\w.]*)", "".join(parts)))


def _of_changelog(root: Path, sections: dict[str, str], version: str) -> Iterator[str]:
    for line in re.findall(r"(?m)^## .*$", (root / "CHANGELOG.md").read_text()):
        if not _is_heading(line):
            form = "'## MAJOR.MINOR.PATCH - YYYY-MM-DD'"
            yield f"CHANGELOG.md: {line!r} is neither '## Unreleased' nor {form}."
    if list(sections)[:1] != ["Unreleased"]:
        yield "CHANGELOG.md does not begin with the section Unreleased."
    released = [name for name in sections if name != "Unreleased"]
    if sorted(released, key=_order, reverse=True) != released:
        yield f"The versions of CHANGELOG.md do not descend: {', '.join(released)}."
    if released and released[0] != version:
        yield f"The newest version of CHANGELOG.md is {released[0]}, and the version is {version}."
    for name, section in sections.items():
        kinds = set(re.findall(r"(?m)^### (.+)$", section))
        yield from (
            f"CHANGELOG.md, {name}: {kind!r} is no kind of change." for kind in sorted(kinds - _KINDS)
        )
        if "Removed" in kinds and name in released and not name.endswith(".0"):
            yield f"CHANGELOG.md: {name} removes something, and a patch breaks nothing."


def _of_release(sections: dict[str, str], version: str, tag: str) -> Iterator[str]:
    if tag != f"v{version}":
        yield f"The tag is {tag!r}, and the version's is 'v{version}'."
    if not sections.get(version, "").strip():
        yield f"CHANGELOG.md has no changes of {version}: `python -m tools.versions --cut {version}`."
    if sections.get("Unreleased", "").strip():
        yield "CHANGELOG.md has unreleased changes, which this release would contain."


def _is_heading(line: str) -> bool:
    """Return whether a line begins a section, with a day that exists."""
    found = _HEADING.fullmatch(line)
    try:
        return found is not None and (found[3] is None or bool(date.fromisoformat(found[3])))
    except ValueError:
        return False


def _sections(root: Path) -> dict[str, str]:
    """Return the sections of CHANGELOG.md by version, or "Unreleased"."""
    parts = _HEADING.split((root / "CHANGELOG.md").read_text())[1:]
    return {
        unreleased or version: text for unreleased, version, _, text in zip(*(iter(parts),) * 4, strict=True)
    }


def _version(root: Path) -> str:
    version: str = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    return version


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    sys.exit(main())
