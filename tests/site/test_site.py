"""The built site: every public name has an entry, links lead somewhere, and pictures have texts."""

from __future__ import annotations

import inspect
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile

import db_core
import db_core.errors
import db_influx
import db_influx.dask
import db_influx.polars
import db_redis
from db_influx._settings import InfluxSettings
from db_redis._settings import RedisSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

SITE = Path(__file__).parents[2] / "out" / "site"
MODULES: tuple[ModuleType, ...] = (db_core, db_influx, db_influx.dask, db_influx.polars, db_redis)
CLASSES: tuple[type, ...] = (
    db_influx.InfluxManager,
    db_influx.AsyncInfluxManager,
    db_influx.PointWriter,
    db_influx.AsyncPointWriter,
    db_influx.Snapshot,
    db_influx.Partition,
    db_redis.RedisClient,
    db_redis.AsyncRedisClient,
    db_core.Frame,
)
LIMIT = 300_000  # bytes of a page and of all that it loads, without pictures


class Page(HTMLParser):
    """What a page has: names of places, links, pictures, and files that it loads.

    Attributes:
        places: IDs, to which a link can lead.
        links: Addresses of links.
        pictures: The attributes of each picture.
        loaded: Addresses of the files that a browser loads by itself.
        firsts: The texts of the first cells of rows of tables.
        headings: The headings of columns of tables.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.loaded: list[str] = []
        self.firsts: set[str] = set()
        self.headings: list[str] = []
        self._is_heading = False
        self._cell = 0  # of the row that is read
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what matters of an element."""
        given = dict(attrs)
        if given.get("id"):
            self.places.add(str(given["id"]))
        self._cell = 0 if tag == "tr" else self._cell + (tag == "td")
        if tag == "th":
            self.headings.append("")
            self._is_heading = True
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag == "img":
            self.pictures.append(given)
        if tag in ("script", "iframe", "img") and given.get("src"):
            self.loaded.append(str(given["src"]))
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(str(given["href"]))

    def handle_endtag(self, tag: str) -> None:
        """Note where a heading ends."""
        self._is_heading = self._is_heading and tag != "th"

    def handle_data(self, data: str) -> None:
        """Keep the text of a first cell, and of a heading."""
        if self._cell == 1:
            self.firsts.add(data)
        if self._is_heading:
            self.headings[-1] += data.strip()


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    """Return every page of the site, by its path."""
    found = {path: Page(path) for path in sorted(SITE.rglob("*.html"))}
    assert found, "`python3 noxfile.py -s docs` builds the site"
    return found


def public_names() -> Iterator[str]:
    """List modules' public names, and public methods and attributes of the classes."""
    for module in MODULES:
        for name in module.__all__:
            owner = "db_core.errors" if name in db_core.errors.__all__ else module.__name__
            yield f"{owner}.{name}"
    for kind in CLASSES:
        for name, _ in inspect.getmembers(kind, lambda of: inspect.isroutine(of) or isinstance(of, property)):
            if not name.startswith("_"):
                yield f"{kind.__module__.partition('.')[0]}.{kind.__name__}.{name}"


def test_every_public_name_has_an_entry_of_the_reference() -> None:
    """A name of `__all__`, and a public method of the classes, is in the list of what the site describes."""
    listed = {
        name
        for kind, entries in InventoryFile.loads((SITE / "objects.inv").read_bytes(), uri="").data.items()
        if kind.startswith("py:")
        for name in entries
    }
    expected = {*public_names(), "db_influx.spark.InfluxDataSource"}

    assert {"db_influx.InfluxManager.read", "db_redis.AsyncRedisClient.ttl"} <= expected
    assert set() == expected - listed


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception) and kind is not db_core.DatabaseError


def test_every_error_says_what_to_do(pages: dict[Path, Page]) -> None:
    """The page about errors has a row for each; the page about settings has each with its variable."""
    errors = pages[SITE / "reference" / "errors.html"].firsts
    settings = pages[SITE / "reference" / "settings.html"].firsts

    kinds = {kind.__name__ for kind in vars(db_core.errors).values() if _is_error(kind)}
    assert "WriteError" in kinds
    assert kinds <= errors
    for kind in (InfluxSettings, RedisSettings):
        assert set(kind.model_fields) <= settings


def test_every_link_leads_to_a_page_and_a_place_of_it(pages: dict[Path, Page]) -> None:
    """Links within the site have a file at their end, and what follows `#` is there."""
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places
            ):
                dead.append((str(path.relative_to(SITE)), link))

    assert [] == dead


def test_every_picture_has_a_text(pages: dict[Path, Page]) -> None:
    """Who can't see a picture is told what it shows."""
    shown = [(path, picture) for path, page in pages.items() for picture in page.pictures]

    assert shown
    assert [] == [(path, picture) for path, picture in shown if not (picture.get("alt") or "").strip()]


def test_every_column_of_a_table_has_a_heading(pages: dict[Path, Page]) -> None:
    """Who hears a table is told the heading with each cell."""
    headings = [(path, heading) for path, page in pages.items() for heading in page.headings]

    assert headings
    assert [] == sorted({str(path.relative_to(SITE)) for path, heading in headings if not heading})


def test_nothing_is_loaded_from_another_host(pages: dict[Path, Page]) -> None:
    """Scripts, styles and pictures are the site's own, in pages and in their styles."""
    loaded = [address for page in pages.values() for address in page.loaded]
    styles = [path.read_text() for path in SITE.rglob("*.css")]

    assert loaded
    assert [] == [address for address in loaded if urlsplit(address).netloc]
    assert [] == [style for style in styles if "url(http" in style or "url(//" in style]


def test_a_page_is_light(pages: dict[Path, Page]) -> None:
    """A page with its scripts and styles has less than 300 KB, without pictures."""
    heavy = {}
    for path, page in pages.items():
        files = {path, *((path.parent / urlsplit(address).path).resolve() for address in page.loaded)}
        size = sum(file.stat().st_size for file in files if file.suffix in (".html", ".js", ".css"))
        if size >= LIMIT:
            heavy[str(path.relative_to(SITE))] = size

    assert {} == heavy
