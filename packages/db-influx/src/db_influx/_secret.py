"""The token, kept out of the errors that quote what a server or proxy answers.

A proxy's page for those who debug it may hold the request's headers; the decoder
and urllib3 quote what they can't read, sometimes its start only.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from db_core.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Secret", "links"]

_SHORTEST = 8  # a shorter token is a word, that any text may hold
_START = 16  # as much of a token is masked even if the rest is cut off


class Secret:
    """A text that no error shows."""

    def __init__(self, text: str) -> None:
        # As it is, and as Python and JSON spell it inside quotes.
        spellings = {text, repr(text)[1:-1], json.dumps(text)[1:-1]} if len(text) >= _SHORTEST else set()
        self._spellings = sorted(spellings, key=len)

    def masked(self, text: str) -> str:
        """Give a text without the secret, whole or cut off."""
        for spelling in self._spellings:
            text = _without(spelling, text)
        return text

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


def links(error: BaseException, handled: BaseException | None = None) -> list[BaseException]:
    """Give an error and those that it comes from, each once, but nothing of one that the caller handles."""
    found: list[BaseException] = []
    seen = {id(None), id(handled)}
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found


def _without(secret: str, text: str) -> str:
    start = secret[:_START]
    pieces, end = [], 0
    while (at := text.find(start, end)) >= 0:
        length = len(secret)
        while not text.startswith(secret[:length], at):
            length -= 1
        pieces += [text[end:at], "***"]
        end = at + length
    return "".join([*pieces, text[end:]])
