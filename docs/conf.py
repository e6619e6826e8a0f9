"""Settings of the site. `python3 noxfile.py -s docs` builds it into `out/site`."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "db-influx and db-redis"
author = "the authors of db-influx and db-redis"
version = release = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"][
    "package"
]["version"]
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
default_role = "py:obj"  # single backticks of docstrings link to what they name, where it has an entry

html_theme = "furo"
html_title = f"db-influx and db-redis {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False

# pyspark has 457 MB, of which the reference needs nothing; the other modules need it when they are imported.
autodoc_mock_imports = [
    "pyspark",
    *(f"db_influx.spark.{name}" for name in ("_arrow", "_filters", "_writer")),
]
autoclass_content = "both"  # the arguments stand with the constructor
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
napoleon_use_ivar = True
napoleon_custom_sections = [
    ("Common arguments", "params_style"),
    ("Common errors", "params_style"),
]

# Types of results that stand for several in the sources; `db_influx/__init__.pyi` has an overload for each.
FRAMES = "pandas.DataFrame | polars.DataFrame | pyarrow.Table"
RESULTS = {
    "Framed": FRAMES,
    "FramedIterator": f"Iterator[{FRAMES}]",
    "FramedOrList": f"{FRAMES} | list",
    "Newest": "dict[str, Any]",
}


def _add_result(
    _app: Sphinx,
    what: str,
    _name: str,
    of: Any,
    _options: Any,
    arguments: str | None,
    _result: str | None,
) -> tuple[str | None, str | None]:
    """Add the type of the result to a signature. Types of arguments stand in their descriptions."""
    if what not in ("function", "method"):
        return arguments, None
    result = inspect.signature(of).return_annotation
    return arguments, RESULTS.get(result, result) if isinstance(result, str) else None


def _join_returns(
    _app: Sphinx, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]
) -> None:
    """Put a sentence with a colon together again, whose beginning napoleon takes for a type."""
    for number, line in reversed(list(enumerate(lines))):
        if line.startswith(":rtype:"):
            begins = line.removeprefix(":rtype:").strip()
            goes_on = max(
                place for place in range(number) if lines[place].startswith(":returns:")
            )
            lines[goes_on] = lines[goes_on].replace(
                ":returns:", f":returns: {begins}:", 1
            )
            del lines[number]


# What the theme leaves out for those who hear a page or use a keyboard; axe-core names it.
MENDED = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="This page">',
    '<div class="table-wrapper colwidths-auto docutils container">': (
        '<div class="table-wrapper colwidths-auto docutils container" tabindex="0">'
    ),
    "<pre>": '<pre tabindex="0">',
    '<div id="search-results">': '<h1>Search</h1>\n<div id="search-results">',
}


def _mend(app: Sphinx, error: Exception | None) -> None:
    """Complete the pages that were written."""
    if error is None:
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text()
            for was, becomes in MENDED.items():
                if becomes not in text:
                    text = text.replace(was, becomes)
            page.write_text(text)


def _leave_out_of_search(app: Sphinx, _document: Any) -> None:
    """Keep pages for contributors out of the search, whose index every search loads."""
    page = app.env.current_document.docname
    if page.startswith("decisions/"):
        app.env.metadata[page]["nosearch"] = "true"


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("doctree-read", _leave_out_of_search)
    app.connect("autodoc-process-signature", _add_result)
    app.connect(
        "autodoc-process-docstring", _join_returns, priority=600
    )  # after napoleon
    app.connect("build-finished", _mend)
