"""The token, kept out of the errors that quote what a server or proxy answers.

A proxy's page for those who debug it may hold the request's headers; the decoder
and urllib3 quote what they can't read, sometimes its start only.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from db_core.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Secret"]

_SHORTEST = 8  # a shorter token is a word, that any text may hold
_START = 16  # as much of a token is masked even if the rest is cut off


class Secret:
    """A text that no error shows."""

    def __init__(self, text: str) -> None:
        self._text = text

    def masked(self, text: str) -> str:
        """Give a text without the secret, whole or cut off."""
        start = self._text[:_START]
        if len(start) < _SHORTEST:
            return text
        while (at := text.find(start)) >= 0:
            lengths = range(len(self._text), 0, -1)
            length = next(length for length in lengths if text.startswith(self._text[:length], at))
            text = f"{text[:at]}***{text[at + length :]}"
        return text

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Mask the errors that leave the block, and cut off what they come from if it shows the secret."""
        try:
            yield
        except DatabaseError as error:
            self._clean(error)
            raise

    def _clean(self, error: DatabaseError) -> None:
        error.args = tuple(self._clean_value(value) for value in error.args)
        for name, value in vars(error).items():
            setattr(error, name, self._clean_value(value))
        if isinstance(error.__cause__, DatabaseError):
            self._clean(error.__cause__)
        elif self._shows(error.__cause__) or self._shows(error.__context__):
            error.__cause__ = error.__context__ = None

    def _clean_value(self, value: object) -> object:
        return self.masked(value) if isinstance(value, str) else value

    def _shows(self, error: BaseException | None) -> bool:
        """Whether an error, or one that it comes from, holds the secret."""
        if error is None:
            return False
        text = f"{error} {error!r} {vars(error)}"
        return self.masked(text) != text or self._shows(error.__cause__) or self._shows(error.__context__)
