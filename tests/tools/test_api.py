"""The exports, compared with those of the last release."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tools import api

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = "## Unreleased\n\n### Removed\n\n{}\n\n## 0.1.0 - 2026-11-30\n"
THING = """\
class Thing:
    def read(self, start, stop=None):
        return start

    def old(self):
        return 1
"""


def git(root: Path, *arguments: str) -> None:
    """Run git."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository whose three packages export a class each, which was released with it."""
    for package, module in (("db-core", "db_core"), ("db-influx", "db_influx"), ("db-redis", "db_redis")):
        folder = tmp_path / "packages" / package / "src" / module
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f'from {module}._thing import Thing\n\n__all__ = ["Thing"]\n')
        (folder / "_thing.py").write_text(THING)
        (folder / "inner.py").write_text("def used_by_us(): ...\n")
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nversion = "0.1.0"\n')
    write_changelog(tmp_path)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path)
    git(tmp_path, "tag", "v0.1.0")
    return tmp_path


def write_changelog(root: Path, line: str = "") -> None:
    """Write a changelog with this line under Removed."""
    (root / "CHANGELOG.md").write_text(CHANGELOG.format(line))


def commit(root: Path) -> None:
    """Commit everything."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "change")


def change(root: Path, old: str, new: str) -> None:
    """Change the class of db_redis."""
    path = root / "packages/db-redis/src/db_redis/_thing.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_the_last_release_is_the_newest_tag_before_this_commit(root: Path) -> None:
    """A tag of this commit is the one about to be released; a clone without tags has none."""
    assert api.last_tag(root) is None
    commit(root)
    assert "v0.1.0" == api.last_tag(root)
    git(root, "tag", "v0.9.0")
    assert "v0.1.0" == api.last_tag(root)
    commit(root)
    git(root, "tag", "v0.10.0")
    commit(root)
    assert "v0.10.0" == api.last_tag(root)


def test_a_shallow_clone_without_tags_has_no_last_release(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """So the check does not run there, and says so."""
    commit(root)
    clone = tmp_path_factory.mktemp("clones") / "clone"
    git(root, "clone", "--quiet", "--depth", "1", "--no-tags", root.as_uri(), str(clone))

    assert api.last_tag(clone) is None


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("    def old(self):", "    def _old(self):", "old"),
        ("start, stop=None", "start, stop", "read"),
        ("class Thing", "class Other", "Thing"),
    ],
)
def test_what_breaks_is_told(root: Path, old: str, new: str, broken: str) -> None:
    """A method or a class that is gone, and a parameter that became required."""
    change(root, old, new)
    if broken == "Thing":
        exports = root / "packages/db-redis/src/db_redis/__init__.py"
        exports.write_text(exports.read_text().replace("Thing", "Other"))

    found = api.breaks(root, "v0.1.0")
    assert found
    assert all(broken in line for line in found), found
    write_changelog(root, f"- `{broken}` is gone.")
    assert [] == api.breaks(root, "v0.1.0")


def test_what_does_not_break_is_not_told(root: Path) -> None:
    """A new method, a new optional parameter, and whatever the package does not export."""
    change(root, "start, stop=None", "start, stop=None, *, tz='UTC'")
    change(root, "class Thing:", "class Thing:\n    def new(self): ...\n")
    (root / "packages/db-core/src/db_core/inner.py").unlink()

    assert [] == api.breaks(root, "v0.1.0")
