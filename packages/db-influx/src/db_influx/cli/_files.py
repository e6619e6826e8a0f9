"""Where output goes: stdout, or a file that takes its place when it is whole."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from db_influx.cli._ends import OutputClosedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Stream", "destination"]


class Stream:
    """Bytes that are written one after the other, as pyarrow wants a file to be."""

    closed = False

    def __init__(self, file: BinaryIO, *, is_stdout: bool) -> None:
        self._file = file
        self._written = 0
        self._is_abandoned = False
        self.is_stdout = is_stdout

    def abandon(self) -> None:
        """Write nothing any more: a writer of pyarrow still writes its end when it is collected."""
        self._is_abandoned = True

    @property
    def is_terminal(self) -> bool:
        """Whether people see it as it is written."""
        return self.is_stdout and self._file.isatty()

    def write(self, data: bytes) -> int:
        """Write all of the bytes.

        Raises:
            OutputClosedError: Nobody reads stdout any more.
        """
        left = memoryview(data).cast("B")
        size = len(left)
        if self._is_abandoned:
            return size
        try:
            while left:  # with PYTHONUNBUFFERED, stdout may take a part
                left = left[self._file.write(left) :]
        except BrokenPipeError as error:
            raise OutputClosedError from error
        self._written += size
        return size

    def tell(self) -> int:
        """Return how many bytes were written; a pipe itself does not know."""
        return self._written

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            self._file.flush()
        except BrokenPipeError as error:
            raise OutputClosedError from error

    def close(self) -> None:
        """Do nothing: `destination` closes the file."""

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True


@contextmanager
def _stream(file: BinaryIO, *, is_stdout: bool = False) -> Iterator[Stream]:
    stream = Stream(file, is_stdout=is_stdout)
    try:
        yield stream
    except BaseException:
        stream.abandon()
        raise


@contextmanager
def destination(output: str | None) -> Iterator[Stream]:
    """Open stdout or a file.

    A file is written beside its place, and moved there when the block ends without an error. Until then, a
    file that is there stays as it is.

    Args:
        output: Path of the file; None or "-" is stdout.
    """
    if output in (None, "-"):
        with _stream(sys.stdout.buffer, is_stdout=True) as stream:
            yield stream
            stream.flush()
        return
    path = Path(str(output)).expanduser().resolve()
    if path.exists() and not path.is_file():  # a device or a pipe has no place beside it
        with path.open("wb") as file, _stream(file) as stream:
            yield stream
        return
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file, _stream(file) as stream:
            yield stream
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except FileNotFoundError as error:
        if error.filename == str(part):
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)
