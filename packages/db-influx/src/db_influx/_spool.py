"""`Spool`: batches of points in a folder, a file each, until they can be sent.

A file is written beside its place, fsynced and renamed, so that it is there whole or not at all. Its first
line has the length and the CRC of the rest.
"""

from __future__ import annotations

import json
import os
import re
import threading
import zlib
from contextlib import suppress

from db_core.errors import ParseError
from db_influx._arguments import invalid
from db_influx._backup import about_space

__all__ = ["DamagedFileError", "Spool"]

_HEAD = "db-influx spool 1"
_TARGET = "target.json"
_LOCK = "lock"
# Other files in the folder are left alone.
_OURS = re.compile(r"[0-9]{12}\.(?:lines(?:\.damaged)?|tmp)")


class DamagedFileError(ParseError):
    """A file of a spool is not as it was written. It was set aside, and nothing of it was sent."""


class Spool:
    """A folder of batches for one bucket, in order; one writer uses it at a time.

    Attributes:
        names: Names of the files that wait, the oldest first.
    """

    def __init__(self, place: object, target: dict[str, str]) -> None:
        """Open a folder, which is made if there is none.

        Raises:
            InvalidArgumentError: Another writer uses it, or it has points for another target.
        """
        from pathlib import Path

        from filelock import FileLock, Timeout

        if not isinstance(place, str | os.PathLike) or not str(place):
            raise invalid("spool", f"must be the path of a folder, not {place!r}")
        folder = self._folder = Path(place)
        self._busy = threading.Lock()  # a cancelled task leaves a thread behind
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / _LOCK, blocking=False, thread_local=False)
            self._lock.acquire()
        except Timeout as error:
            raise invalid("spool", f"is in use by another writer: {folder}. Use a folder for each") from error
        except (OSError, ValueError) as error:  # ValueError: a name that no folder can have
            raise invalid("spool", f"must be a folder that can be written, not {folder}: {error}") from error
        try:
            self._bind(target)
            ours = [path.name for path in folder.iterdir() if _OURS.fullmatch(path.name)]
            for unfinished in ours:
                if unfinished.endswith(".tmp"):
                    (folder / unfinished).unlink()
        except OSError as error:
            self.close()
            raise invalid("spool", f"must be a folder that can be written, not {folder}: {error}") from error
        except BaseException:
            self.close()
            raise
        self.names = sorted(name for name in ours if name.endswith(".lines"))
        self._next = max((int(name.partition(".")[0]) for name in ours), default=0) + 1

    def _bind(self, target: dict[str, str]) -> None:
        path = self._folder / _TARGET
        try:
            known = json.loads(path.read_bytes())
        except FileNotFoundError:
            self._place(_TARGET, json.dumps(target).encode())
            return
        except ValueError as error:
            told = f"has a {_TARGET} that can't be read: {error}. Expected {json.dumps(target)}"
            raise invalid("spool", f"{told} or another target: {self._folder}") from error
        if known != target:
            told = f"has points for {known}, not for {target}: {self._folder}. Use another folder"
            raise invalid("spool", f"{told}, or change {_TARGET} in it if both are the same")

    def put(self, body: bytes) -> None:
        """Store a batch; when this returns, it is on the disk.

        Raises:
            DiskSpaceError: The disk is full; nothing is left there.
        """
        with self._busy:
            name = f"{self._next:012}.lines"
            self._place(name, f"{_HEAD} {len(body)} {zlib.crc32(body):08x}\n".encode(), body)
            self._next += 1
            self.names.append(name)

    def _place(self, name: str, *parts: bytes) -> None:
        path = self._folder / name
        beside = path.with_suffix(".tmp")
        try:
            with about_space(self._folder), beside.open("wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            self._sync()
        except BaseException:
            for one in (beside, path):
                with suppress(OSError):
                    one.unlink()
            raise

    def _sync(self) -> None:
        """Have the disk know the names of the files."""
        if os.name != "nt":  # where no folder can be opened
            number = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    def read(self, name: str) -> bytes:
        """Return the batch of a file.

        Raises:
            DamagedFileError: It is not as it was written; it has another name now.
        """
        path = self._folder / name
        try:
            head, _, body = path.read_bytes().partition(b"\n")
        except FileNotFoundError as error:
            self.names.remove(name)
            raise DamagedFileError(f"{path}: the file is gone, and the points in it were not sent") from error
        expected = f"{_HEAD} {len(body)} {zlib.crc32(body):08x}"
        if head.decode("utf-8", "replace") != expected:
            aside = path.with_name(f"{name}.damaged")
            path.replace(aside)
            self.names.remove(name)
            message = (
                f"{aside}: the file is damaged, and nothing of it was sent. Expected {expected!r} as its head"
            )
            raise DamagedFileError(f"{message}, got {head[:100]!r}")
        return body

    def remove(self, name: str) -> None:
        """Remove a file whose points are stored."""
        with self._busy:
            (self._folder / name).unlink()
            self.names.remove(name)
            self._sync()

    def close(self) -> None:
        """Let another writer have the folder."""
        with self._busy:
            self._lock.release()
