"""The pages about how and why the code is as it is: the files that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md"), ROOT / "CONTRIBUTING.md"])
FOLDERS = ("benchmarks", "crates", "docs", "packages", "tests", "tools")
NAMED = re.compile(r"`([\w.-]+/[\w./-]*\.(?:py|pyi|rs|md|toml|json|txt))`")


@pytest.fixture(scope="module")
def files() -> list[str]:
    """Return the paths of all files in the repository's folders, with a slash before each."""
    paths = (path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.*"))
    return [f"/{path.as_posix()}" for path in paths if "target" not in path.parts]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_file_that_a_page_names_exists(page: Path, files: list[str]) -> None:
    """A path in backticks, or the end of a path, is that of exactly one file."""
    named = set(NAMED.findall(page.read_text()))
    found = {name: [path for path in files if path.endswith(f"/{name}")] for name in named}

    assert [] == [name for name, paths in found.items() if len(paths) != 1], found


def test_the_architecture_names_files() -> None:
    """And the pattern finds them, so that the test above is of something."""
    named = set(NAMED.findall((ROOT / "docs/architecture.md").read_text()))

    assert {"plans/read.py", "db-native/src/booking.rs"} <= named
