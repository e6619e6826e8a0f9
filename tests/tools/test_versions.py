"""The version of the packages, and the steps of a release."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import versions

ROOT = Path(__file__).parents[2]
CHANGELOG = """\
# Changelog

## Unreleased

### Removed

- `RedisClient.old(key)`; use `new`.

## 0.1.0 - 2026-11-30

### Added

- Everything.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with the files that have to do with versions; 0.1.0 was released."""
    for name in ("packages/db-influx/pyproject.toml", "packages/db-redis/pyproject.toml"):
        manifest = re.sub(r'"db-core==[^"]+"', '"db-core==0.1.0"', (ROOT / name).read_text())
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(manifest)
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nversion = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text that a file has."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_this_repository_has_one_version() -> None:
    """Cargo.toml, the pins among the packages and the changelog agree."""
    assert [] == versions.check(ROOT)


@pytest.mark.parametrize("tag", ["v0.1.0", "0.2.0", "v0.2.0rc1", "v0.2"])
def test_a_release_needs_its_tag(root: Path, tag: str) -> None:
    """The tag is the version's, and no other."""
    versions.cut(root, "0.2.0", "2026-12-24")
    assert [] == versions.check(root, "v0.2.0")
    assert [f"The tag is {tag!r}, and the version's is 'v0.2.0'."] == versions.check(root, tag)


def test_a_patch_removes_nothing(root: Path) -> None:
    """Whoever asks for a compatible version gets patches by themselves."""
    versions.cut(root, "0.1.1", "2026-12-24")

    assert ["CHANGELOG.md: 0.1.1 removes something, and a patch breaks nothing."] == versions.check(root)


def test_a_release_has_all_changes(root: Path) -> None:
    """Changes that were noted after the version was cut would be in the release, but not in its notes."""
    assert [] == versions.check(root)
    assert ["CHANGELOG.md has unreleased changes, which this release would contain."] == versions.check(
        root, "v0.1.0"
    )


def test_a_release_needs_its_changes(root: Path) -> None:
    """A version whose changes are still unreleased is not published."""
    replace(root / "CHANGELOG.md", "## 0.1.0 - 2026-11-30\n\n### Added\n\n- Everything.\n", "")

    assert [] == versions.check(root)
    assert "CHANGELOG.md has no changes of 0.1.0" in versions.check(root, "v0.1.0")[0]


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (
            "packages/db-redis/pyproject.toml",
            "db-core==0.1.0",
            "db-core==0.0.9",
            "db-redis asks for db-core==0.0.9",
        ),
        (
            "Cargo.toml",
            "0.1.0",
            "0.2.0",
            "The newest version of CHANGELOG.md is 0.1.0, and the version is 0.2.0.",
        ),
        ("CHANGELOG.md", "### Added", "### New", "CHANGELOG.md, 0.1.0: 'New' is no kind of change."),
        (
            "CHANGELOG.md",
            "## Unreleased",
            "## Next",
            "CHANGELOG.md does not begin with the section Unreleased.",
        ),
        ("CHANGELOG.md", "## 0.1.0 - 2026-11-30", "## 0.1.0", "'## 0.1.0' is neither"),
        ("CHANGELOG.md", "2026-11-30", "2026-11-31", "'## 0.1.0 - 2026-11-31' is neither"),
    ],
)
def test_what_does_not_agree_is_told(root: Path, name: str, old: str, new: str, fault: str) -> None:
    """Each fault names the file and what it has."""
    replace(root / name, old, new)

    assert any(fault in found for found in versions.check(root)), versions.check(root)


def test_a_version_is_cut_everywhere(root: Path) -> None:
    """What is unreleased becomes the version's, with its date, and all pins ask for it."""
    versions.cut(root, "0.2.0", "2026-12-24")

    assert [] == versions.check(root, "v0.2.0")
    assert "### Removed\n\n- `RedisClient.old(key)`; use `new`." == versions.notes(root)
    assert "## Unreleased\n\n## 0.2.0 - 2026-12-24\n\n### Removed" in (root / "CHANGELOG.md").read_text()
    assert '"db-core==0.2.0"' in (root / "packages/db-influx/pyproject.toml").read_text()


@pytest.mark.parametrize("version", ["0.0.9", "0.1.0"])
def test_a_version_is_cut_once_and_rises(root: Path, version: str) -> None:
    """An older version, and one that was released, are refused before anything is written."""
    with pytest.raises(SystemExit, match="is no version after"):
        versions.cut(root, version, "2026-12-24")

    assert CHANGELOG == (root / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0rc1", "0.2.0-rc.1", "1"])
def test_a_version_has_three_numbers(root: Path, version: str) -> None:
    """Cargo, pip and the changelog would each read another form in their own way."""
    with pytest.raises(SystemExit, match="A version is MAJOR"):
        versions.cut(root, version, "2026-12-24")

    assert CHANGELOG == (root / "CHANGELOG.md").read_text()


def test_a_version_has_changes(root: Path) -> None:
    """Without any it could not be released."""
    versions.cut(root, "0.2.0", "2026-12-24")

    with pytest.raises(SystemExit, match="no unreleased changes"):
        versions.cut(root, "0.3.0", "2026-12-25")


def test_names_of_changes_are_those_in_backticks(root: Path) -> None:
    """Only what was changed or removed counts, and only its name, without the arguments."""
    assert {"RedisClient.old", "new"} == versions.named_changes(root, "0.1.0")


def test_changes_of_all_later_versions_count(root: Path) -> None:
    """One may have been cut, but not released; the changes of the release itself are older."""
    versions.cut(root, "0.1.1", "2026-12-24")
    assert {"RedisClient.old", "new"} == versions.named_changes(root, "0.1.0")
    assert set() == versions.named_changes(root, "0.1.1")
