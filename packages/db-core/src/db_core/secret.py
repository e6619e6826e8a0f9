"""Mask a token or password in errors that quote the answer of a server or proxy.

A proxy's error page may show the request's headers. A parser quotes the text that it can't read,
sometimes only its start. Redis repeats a command that it does not know.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from db_core.chain import links
from db_core.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Secret"]

_START = 16  # characters: so much of a secret is masked even if the rest was cut off
_GO_JSON = {ord(letter): f"\\u{ord(letter):04x}" for letter in "&<>="}
_HTML = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("'"): "&#x27;", ord('"'): "&quot;"}


class Secret:
    """A text that is masked in errors.

    Args:
        text: The secret.
        shortest: A secret of fewer characters is not masked, as it may be a word of any message.
    """

    def __init__(self, text: str, *, shortest: int = 1) -> None:
        self._spellings = _spellings(text) if len(text) >= shortest else set()

    def masked(self, text: str) -> str:
        """Return a text in which every occurrence of the secret is masked, also one that is cut off."""
        found = sorted(place for spelling in self._spellings for place in _places(spelling, text))
        pieces, end = [], 0
        for start, stop in found:
            if start >= end:
                pieces += [text[end:start], "***"]
            end = max(end, stop)
        return "".join([*pieces, text[end:]])

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Mask the errors that leave the block, and remove their causes if those show the secret."""
        handled = sys.exception()  # the error that our caller handles; it ends the chain of every error here
        try:
            yield
        except DatabaseError as error:
            self.hide_in(error, handled)
            raise

    def hide_in(self, error: DatabaseError, handled: BaseException | None) -> None:
        """Mask an error, and remove its causes if those show the secret.

        Args:
            error: The error.
            handled: The error that the caller handles, which ends the chain of causes.
        """
        chain = links(error, handled)
        ours = [link for link in chain if isinstance(link, DatabaseError)]
        for link in ours:
            link.args = tuple(map(self._clean_value, link.args))
            for name, value in vars(link).items():
                setattr(link, name, self._clean_value(value))
        if any(self._shows(link) for link in chain if not isinstance(link, DatabaseError)):
            for link in ours:
                if not isinstance(link.__cause__, DatabaseError):
                    link.__cause__ = None
                if not isinstance(link.__context__, DatabaseError):
                    link.__context__ = None

    def _clean_value(self, value: object) -> object:
        return self.masked(value) if isinstance(value, str) else value

    def _shows(self, error: BaseException) -> bool:
        text = f"{error} {error!r} {vars(error)}"
        return self.masked(text) != text


def _spellings(text: str) -> set[str]:
    """Return a text as it is, and as Python, JSON, a URL, an HTML page and Redis write it."""
    plain_json = json.dumps(text, ensure_ascii=False)[1:-1]
    python = repr(text)[1:-1]
    return {
        text,
        text.replace("\r", " ").replace("\n", " "),
        repr(text.encode("utf-8", "surrogatepass"))[2:-1],
        python,
        python.replace("'", "\\'"),  # in a text that holds both kinds of quotes
        json.dumps(text)[1:-1],
        plain_json,
        plain_json.replace("/", "\\/"),  # as PHP writes it
        plain_json.translate(_GO_JSON),
        quote(text, safe=""),
        quote_plus(text),
        text.translate(_HTML),
        text.translate(_HTML | {ord("'"): "&#39;", ord('"'): "&#34;"}),
        text.translate(_HTML | {ord("'"): "'", ord('"'): '"'}),
    }


def _places(spelling: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield the positions of a spelling in a text, whole or cut off; they may overlap."""
    start = spelling[:_START]
    at = text.find(start)
    while at >= 0:
        pairs = zip(spelling, text[at : at + len(spelling)], strict=False)
        length = next((same for same, (one, other) in enumerate(pairs) if one != other), None)
        length = min(len(spelling), len(text) - at) if length is None else length
        yield at, at + length
        at = text.find(start, at + (length if length == len(spelling) else 1))
