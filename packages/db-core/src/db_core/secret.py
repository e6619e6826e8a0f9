"""A token or password, kept out of the errors that quote what a server or proxy answers.

A proxy's page for those who debug it may hold the request's headers; what reads
an answer quotes what it can't read, sometimes its start only; and Redis repeats
a command that it does not know.
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

_START = 16  # characters; as much of a secret is masked even if the rest is cut off
_GO_JSON = {ord(letter): f"\\u{ord(letter):04x}" for letter in "&<>="}
_PAGE = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("'"): "&#x27;", ord('"'): "&quot;"}


class Secret:
    """A text that no error shows.

    Args:
        text: The secret.
        shortest: Characters that it must have to be looked for: a shorter one is a word, that any text may
            hold.
    """

    def __init__(self, text: str, *, shortest: int = 1) -> None:
        self._spellings = _spellings(text) if len(text) >= shortest else set()

    def masked(self, text: str) -> str:
        """Give a text without the secret, whole or cut off."""
        found = sorted(place for spelling in self._spellings for place in _places(spelling, text))
        pieces, end = [], 0
        for start, stop in found:
            if start >= end:
                pieces += [text[end:start], "***"]
            end = max(end, stop)
        return "".join([*pieces, text[end:]])

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Mask the errors that leave the block, and cut off what they come from if it shows the secret."""
        handled = sys.exception()  # by our caller: the last context of every error here
        try:
            yield
        except DatabaseError as error:
            self._clean(links(error, handled))
            raise

    def _clean(self, chain: list[BaseException]) -> None:
        ours = [error for error in chain if isinstance(error, DatabaseError)]
        for error in ours:
            error.args = tuple(map(self._clean_value, error.args))
            for name, value in vars(error).items():
                setattr(error, name, self._clean_value(value))
        if any(self._shows(error) for error in chain if not isinstance(error, DatabaseError)):
            for error in ours:
                if not isinstance(error.__cause__, DatabaseError):
                    error.__cause__ = None
                if not isinstance(error.__context__, DatabaseError):
                    error.__context__ = None

    def _clean_value(self, value: object) -> object:
        return self.masked(value) if isinstance(value, str) else value

    def _shows(self, error: BaseException) -> bool:
        text = f"{error} {error!r} {vars(error)}"
        return self.masked(text) != text


def _spellings(text: str) -> set[str]:
    """Give a text as it is, and as Python, JSON, a URL, a page and Redis spell it."""
    plain_json = json.dumps(text, ensure_ascii=False)[1:-1]
    python = repr(text)[1:-1]
    return {
        text,
        text.replace("\r", " ").replace("\n", " "),
        repr(text.encode("utf-8", "surrogatepass"))[2:-1],
        python,
        python.replace("'", "\\'"),  # beside both quotes
        json.dumps(text)[1:-1],
        plain_json,
        plain_json.replace("/", "\\/"),  # PHP
        plain_json.translate(_GO_JSON),
        quote(text, safe=""),
        quote_plus(text),
        text.translate(_PAGE),
        text.translate(_PAGE | {ord("'"): "&#39;", ord('"'): "&#34;"}),
        text.translate(_PAGE | {ord("'"): "'", ord('"'): '"'}),
    }


def _places(spelling: str, text: str) -> Iterator[tuple[int, int]]:
    """Find a spelling, whole or cut off, also where one begins within the start of another."""
    start = spelling[:_START]
    at = text.find(start)
    while at >= 0:
        pairs = zip(spelling, text[at : at + len(spelling)], strict=False)
        length = next((same for same, (one, other) in enumerate(pairs) if one != other), None)
        length = min(len(spelling), len(text) - at) if length is None else length
        yield at, at + length
        at = text.find(start, at + (length if length == len(spelling) else 1))
