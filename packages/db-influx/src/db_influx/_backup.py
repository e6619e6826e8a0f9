"""What InfluxDB's backup is made of: the list of its buckets and shards, and shards as tar archives.

A shard's archive is kept as it came. Its members are found by their place in it, and never written out by
the names that the archive gives them.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tarfile
import tempfile
import weakref
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core.errors import DiskSpaceError, IncompleteResultError, InvalidArgumentError, ParseError
from db_influx import _times

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Bucket",
    "BucketList",
    "File",
    "Folder",
    "Metrics",
    "Shard",
    "ShardArchive",
    "about_space",
    "buckets_of",
    "check_space",
    "is_of_shard",
    "members",
    "shard_file",
]

_EPOCH = 1970
_SPARE = 16 << 20  # bytes of a disk that are left to others
_MOST_JSON = 1 << 26  # bytes
_LONGEST_HEAD = 1 << 20  # bytes
_BLOCK = 512  # bytes of tar
_MARK = 2 * _BLOCK  # of zeros, at an archive's end
_FILES = (".tsm", ".tombstone", ".wal")
_METRIC = re.compile(rb"(storage_(?:shard_disk_size|compactions_failed))\{([^}]*)\} ([0-9.e+]+)")
_ID = re.compile(rb'(?:^|,)id="([0-9]+)"')
_OF_CACHE = b'level="cache"'


class File(NamedTuple):
    """A file of a shard, as `db_core.tsm.Shards` takes it.

    Attributes:
        name: The file's own name.
        path: Path of the file that its bytes are in.
        offset: Where they begin.
        size: How many they are; None is up to the end.
    """

    name: str
    path: str
    offset: int
    size: int | None


class Shard(NamedTuple):
    """A shard, and the range of time that it holds; nanoseconds, half-open.

    Attributes:
        number: Its ID.
        start: Its first instant.
        stop: The first instant after it.
        file: Name of its archive in a backup folder, if it has one.
    """

    number: int
    start: int
    stop: int
    file: str | None


class Bucket(NamedTuple):
    """A bucket of a backup, and its shards."""

    name: str
    number: str
    org_name: str
    org_number: str
    shards: tuple[Shard, ...]


def buckets_of(manifest: Any) -> list[Bucket]:
    """Return the buckets that a backup lists.

    Raises:
        ParseError: The bytes are not such a list.
    """
    try:
        return [_bucket(entry) for entry in manifest]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"unexpected list of buckets: expected that of InfluxDB 2.x, got {str(manifest)[:200]}"
        raise ParseError(message, offset=0) from error


def _bucket(entry: Any) -> Bucket:
    shards = [
        Shard(
            int(shard["id"]), _instant(group["startTime"]), _instant(group["endTime"]), shard.get("fileName")
        )
        for policy in entry["retentionPolicies"]
        for group in policy["shardGroups"] or ()
        if not group.get("deletedAt")
        for shard in group["shards"] or ()
    ]
    shards.sort(key=lambda shard: (shard.start, shard.number))
    org = str(entry["organizationName"]), str(entry["organizationID"])
    return Bucket(str(entry["bucketName"]), str(entry["bucketID"]), *org, tuple(shards))


def _instant(text: str) -> int:
    """Return the nanoseconds of a shard's edge; those of the first and last shards may exceed 64 bits."""
    try:
        return _times.instant(text, "shard", now=0)
    except InvalidArgumentError:
        return _times.EARLIEST if datetime.fromisoformat(text).year < _EPOCH else _times.LATEST + 1


# --- Sinks ------------------------------------------------------------------------


class BucketList:
    """Takes the metadata of a backup and keeps the list of buckets.

    The other parts hold the tokens and passwords of the server, and are let go as they come.
    """

    def __init__(self, content_type: str) -> None:
        header = Message()
        header["Content-Type"] = content_type
        boundary = header.get_boundary()
        if boundary is None:
            message = f"unexpected metadata of a backup: expected multipart/mixed, got {content_type!r}"
            raise ParseError(message, offset=0)
        self._mark = b"\r\n--" + boundary.encode()
        self._rest = b"\r\n"  # which the first mark lacks
        self._kept: bytearray | None = None
        self._in_part = False
        self._is_kept = False
        self._is_over = False

    def write(self, data: bytes) -> None:
        self._rest += data
        while not self._is_over and self._advance():
            pass

    def _advance(self) -> bool:
        """Go on to the next mark or head of a part; tell whether there was one."""
        if self._in_part:
            found = self._rest.find(self._mark)
            self._keep(found if found >= 0 else max(0, len(self._rest) - len(self._mark)))
            if found >= 0:
                self._in_part = self._is_kept = False
            return found >= 0
        # The last mark is followed by two hyphens, another by a head.
        behind = self._rest.partition(self._mark)[2]
        head, end, body = behind.partition(b"\r\n\r\n")
        self._is_over = behind.startswith(b"--")
        if not self._is_over and not end and len(self._rest) > _LONGEST_HEAD:
            raise ParseError("unexpected metadata of a backup: a part has no headers", offset=0)
        if self._is_over or not end:
            return False
        self._in_part = True
        self._is_kept = b'name="buckets"' in head
        if self._is_kept:
            self._kept = bytearray()
        self._rest = body
        return True

    def _keep(self, size: int) -> None:
        if self._is_kept and self._kept is not None:
            self._kept += self._rest[:size]
            if len(self._kept) > _MOST_JSON:
                raise ParseError(f"the list of buckets has more than {_MOST_JSON} bytes", offset=0)
        self._rest = self._rest[size:]

    def finish(self) -> list[Bucket]:
        if not self._is_over or self._kept is None:
            raise IncompleteResultError("the metadata of the backup was cut off: it has no end")
        try:
            listed = json.loads(self._kept)
        except (ValueError, RecursionError) as error:
            raise ParseError("unexpected list of buckets in a backup: expected JSON", offset=0) from error
        return buckets_of(listed)

    def close(self) -> None:
        pass


class Metrics:
    """Takes what a server tells of its shards: their sizes, and how often their cache stayed unwritten.

    Attributes:
        sizes: Bytes on the server's disk, by the shard's number.
        unwritten: How often the cache of each shard could not be written, by its number.
    """

    def __init__(self, _: str = "") -> None:
        self.sizes: Counter[int] = Counter()
        self.unwritten: Counter[int] = Counter()
        self._rest = b""

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            found = _METRIC.match(line)
            shard = _ID.search(found[2]) if found else None
            if found is None or shard is None:
                continue
            number, value = int(shard[1]), int(float(found[3]))
            if found[1].endswith(b"disk_size"):
                self.sizes[number] = value
            elif _OF_CACHE in found[2]:
                self.unwritten[number] += value
        self._rest = self._rest[-_MARK:]

    def finish(self) -> Metrics:
        return self

    def close(self) -> None:
        pass


class ShardArchive:
    """Takes the archive of a shard into a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with about_space(path.parent):
            self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        check_space(self._path.parent, len(data))
        with about_space(self._path.parent):
            self._file.write(data)

    def finish(self) -> list[File]:
        with about_space(self._path.parent):
            self._file.close()
        return members(self._path)

    def close(self) -> None:
        self._file.close()


# --- Files ------------------------------------------------------------------------


class Folder:
    """A temporary folder, which goes when it is cleaned up or let go; a forked process leaves it alone.

    Args:
        place: Folder in which it is made. None means the system's folder for temporary files.

    Attributes:
        path: Its path.
    """

    def __init__(self, place: Path | None = None) -> None:
        # Absolute, or it is another one where the working directory changes.
        self.path = Path(tempfile.mkdtemp(prefix="db-influx-", dir=place)).absolute()
        self._end = weakref.finalize(self, _remove, self.path, os.getpid())

    def cleanup(self) -> None:
        """Remove it, the first time."""
        self._end()


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


def check_space(folder: Path, size: int) -> None:
    """Raise an error if a disk would have too little space left after so many bytes more.

    Raises:
        DiskSpaceError: It would.
    """
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE:
        needed = f"{size / 1e6:,.1f} MB are needed, with {_SPARE / 1e6:,.1f} MB to spare"
        raise _too_little(folder, f"{needed}, and {free / 1e6:,.1f} MB are free")


@contextmanager
def about_space(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _too_little(folder, str(error)) from error
        raise


def _too_little(folder: Path, why: str) -> DiskSpaceError:
    return DiskSpaceError(f"too little space in {folder}: {why}. Free some space, or use another folder")


def members(path: Path) -> list[File]:
    """Return the files of a shard in its archive.

    Raises:
        IncompleteResultError: The archive is damaged, or does not end as one does.
    """
    files, end = [], 0
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                end = member.offset_data
                if member.isreg():
                    end += -(-member.size // _BLOCK) * _BLOCK
                    name = PurePosixPath(member.name).name
                    if is_of_shard(name):
                        files.append(File(name, str(path), member.offset_data, member.size))
    except (tarfile.TarError, EOFError) as error:
        raise IncompleteResultError(f"{path}, the archive of a shard, is damaged: {error}") from error
    with path.open("rb") as file:
        file.seek(end)
        # Where the server fails, an error in words follows what it has sent.
        mark = file.read(_MARK)
        if mark != bytes(_MARK) or any(file.read(1 << 16)):
            message = f"{path}, the archive of a shard, was cut off: it has no end at byte {end}"
            raise IncompleteResultError(message)
    return files


def is_of_shard(name: str) -> bool:
    """Tell by its name whether a file holds points of a shard, or what was deleted."""
    return name.endswith(_FILES)


def shard_file(path: Path) -> File:
    """Return a file of a shard that is a file of its own in a folder."""
    return File(path.name, str(path), 0, None)
