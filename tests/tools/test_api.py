"""The exports, compared with those of the last release."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tools import api

ROOT = Path(__file__).parents[2]
CHANGELOG = "## Unreleased\n\n### Removed\n\n{}\n\n## 0.1.0 - 2026-11-30\n"
INNER = """\
from typing import TypedDict

from typing_extensions import Unpack

class _Options(TypedDict, total=False):
    timeout: float

class Options(_Options, total=False):
    tz: str

class Reading:
    def inherited(self, name, **options: Unpack[Options]): ...

    def gone(self): ...

    def given(self, **options: Unpack[Options]): ...
"""
THING = """\
from {module}._inner import Reading

class Thing(Reading, ValueError):
    def __init__(self, code=None):
        self.code = code

    def gone(self): ...

    def lost(self): ...

    def required(self, start, stop=None): ...

    def renamed(self, start, stop=None): ...

    def default(self, start, stop=None): ...

    def keyword(self, start, stop=None): ...

    def positional(self, start, stop=None): ...

    @property
    def size(self): ...
"""
BROKEN = """\
from {module}._inner import Reading

class Thing(Reading, TypeError):
    def __init__(self):
        self._code = None

    def required(self, start, stop): ...

    def renamed(self, begin, stop=None): ...

    def default(self, start, stop=1): ...

    def keyword(self, start, *, stop=None): ...

    def positional(self, start, stop=None, /): ...

    def size(self): ...
"""
BROKEN_INNER = (
    INNER.replace("timeout: float", "seconds: float")
    .replace("self, name,", "self, title,")
    .replace("    def gone(self): ...\n\n", "")
)


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
        (folder / "_thing.py").write_text(THING.format(module=module))
        (folder / "_inner.py").write_text(INNER)
        (folder / "inner.py").write_text("def used_by_us(): ...\n")
    (folder.parents[2] / "db-influx/src/db_influx/dask.py").write_text(
        '__all__ = ["lazy"]\ndef lazy(): ...\n'
    )
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


def change(root: Path, old: str, new: str, name: str = "db-redis/src/db_redis/_thing.py") -> None:
    """Change a file, which is that of the class of db_redis unless another one is named."""
    path = root / "packages" / name
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


def test_a_tag_of_another_branch_is_not_the_last_release(root: Path) -> None:
    """A patch of an older version is compared with the release before it, not with a later one."""
    commit(root)
    git(root, "switch", "--quiet", "--create", "later")
    commit(root)
    git(root, "tag", "v0.2.0")
    git(root, "switch", "--quiet", "main")
    commit(root)

    assert "v0.1.0" == api.last_tag(root)


def test_what_breaks_is_told(root: Path) -> None:
    """A member or a base that is gone, and a signature that takes less or does something else."""
    folder = root / "packages/db-redis/src/db_redis"
    (folder / "_thing.py").write_text(BROKEN.format(module="db_redis"))

    members = {"lost", "code", "required", "renamed", "default", "keyword", "positional", "size"}
    found = api.breaks(root, "v0.1.0")
    assert [] == [line for line in found if not line.startswith("db_redis.Thing: ")]
    assert members == {name for name in members if any(f"Thing.{name}" in line for line in found)}, found
    assert "db_redis.Thing: It is no ValueError any more." in found
    assert any("Thing.__init__" in line for line in found)
    write_changelog(root, f"- `Thing` and {', '.join(f'`{name}`' for name in members)} are not as before.")
    assert [] == api.breaks(root, "v0.1.0")


def test_what_breaks_in_a_private_base_is_told(root: Path) -> None:
    """What a class inherits is its own, and so are the keywords of its options."""
    (root / "packages/db-influx/src/db_influx/_inner.py").write_text(BROKEN_INNER)

    members = {"inherited": "title", "given": "timeout"}
    found = api.breaks(root, "v0.1.0")
    assert [] == [line for line in found if not line.startswith("db_influx.Thing: ")]
    for name, argument in members.items():
        assert any(f".{name}(" in line and argument in line for line in found), found
    write_changelog(root, "- `Thing.inherited` and `Thing.given` take something else.")
    assert [] == api.breaks(root, "v0.1.0")


@pytest.mark.parametrize(
    ("name", "old", "new", "broken"),
    [
        ("db-core/src/db_core/__init__.py", '["Thing"]', "[]", "db_core.Thing"),
        ("db-influx/src/db_influx/dask.py", "lazy", "eager", "db_influx.dask.lazy"),
    ],
)
def test_an_export_that_is_gone_is_told(root: Path, name: str, old: str, new: str, broken: str) -> None:
    """It is one of the package, or of a module from which the documents import."""
    change(root, old, new, name)

    assert [f"{broken}: It is gone."] == api.breaks(root, "v0.1.0")
    write_changelog(root, f"- `{broken.rpartition('.')[2]}` is gone.")
    assert [] == api.breaks(root, "v0.1.0")


def test_a_change_of_the_last_release_is_no_reason_for_another_one(root: Path) -> None:
    """The changelog of a release names what it broke itself. Another break needs another line."""
    change(root, "    def gone(self): ...\n\n", "", "db-core/src/db_core/_inner.py")
    change(root, "    def gone(self): ...\n\n", "", "db-core/src/db_core/_thing.py")
    changes = "## Unreleased\n\n## 0.1.0 - 2026-11-30\n\n### Removed\n\n- `Thing.gone`\n"
    (root / "CHANGELOG.md").write_text(changes)

    assert 1 == len(api.breaks(root, "v0.1.0"))


def test_what_does_not_break_is_not_told(root: Path) -> None:
    """New methods and optional parameters, a class elsewhere, and whatever the package does not export."""
    change(root, "required(self, start, stop=None", "required(self, start, stop=None, *, tz='UTC'")
    change(root, "class Thing(", "class Sizes: ...\n\nclass Thing(Sizes, ")
    change(root, "    def gone(self): ...\n\n", "")  # which the base has
    change(root, "    @property", "    def new(self): ...\n\n    @property")
    change(root, "tz: str", "tz: str\n    gaps: str", "db-redis/src/db_redis/_inner.py")
    folder = root / "packages/db-redis/src/db_redis"
    (folder / "_thing.py").rename(folder / "_elsewhere.py")
    change(root, "_thing", "_elsewhere", "db-redis/src/db_redis/__init__.py")
    (root / "packages/db-core/src/db_core/inner.py").unlink()

    assert [] == api.breaks(root, "v0.1.0")


def test_methods_of_managers_are_compared(tmp_path: Path) -> None:
    """The classes of this repository are seen as users see them: with inherited methods and all keywords."""
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    for sources in (ROOT / "packages").glob("*/src"):
        shutil.copytree(sources, tmp_path / sources.relative_to(ROOT), ignore=ignored)
    write_changelog(tmp_path)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path)
    git(tmp_path, "tag", "v0.1.0")
    change(tmp_path, "    timeout: float", "    seconds: float", "db-influx/src/db_influx/_options.py")

    found = api.breaks(tmp_path, "v0.1.0")
    for path, method in (
        ("db_influx.InfluxManager", "synchronous_write"),
        ("db_influx.AsyncInfluxManager", "synchronous_write"),
        ("db_influx.dask.read_dask", "read_dask"),
        ("db_influx.polars.scan_influx", "scan_influx"),
    ):
        assert [] != [line for line in found if line.startswith(f"{path}: ") and f"{method}(" in line], found
