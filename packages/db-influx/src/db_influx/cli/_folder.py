"""A folder that `export` fills: its files, and the manifest that says what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from db_core.errors import IncompleteResultError, ParseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Folder", "described", "file_name", "iso", "months", "verified"]

_NAME = "manifest.json"
_FORMAT = "db-influx export"
_VERSION = 1
_PART = re.compile(r"\..*\.[0-9a-f]{8}\.part")
_LONGEST = 160  # bytes of a measurement in a file's name
_PIECE = 1 << 20
_SHARE = 20  # parts of its time that an export spends on other things than the manifest
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000_000
_KEYS = {"format", "version", "selection", "bucket_id", "start", "stop", "measurements", "skipped", "parts"}
_KEYS |= {"is_complete"}
_MEASUREMENT = {"tags": list, "fields": dict, "columns": dict}
_NOTED = {"measurement": str, "month": str, "rows": int, "points": dict, "file": str | None}
_FILE = {"file": str, "bytes": int, "sha256": str}


class Folder:
    """A folder with a manifest.

    Attributes:
        path: Where it is.
        manifest: What the manifest says.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self._alike = Counter(name.lower() for name in manifest["measurements"])
        self._saved, self._took = 0.0, 0.0

    @classmethod
    def of(cls, path: Path, content: dict[str, Any]) -> Folder:
        """Return a folder for an export that begins; nothing is written yet."""
        return cls(
            path, {"format": _FORMAT, "version": _VERSION, **content, "parts": [], "is_complete": False}
        )

    @classmethod
    def read(cls, path: Path) -> Folder | None:
        """Return a folder and what its manifest says; None if it has none.

        Raises:
            ParseError: The manifest is not one of ours.
        """
        file = path / _NAME
        try:
            content = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            message = f"{file} is damaged: {error}. Export anew, into another folder"
            raise ParseError(message, offset=0) from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT or not content.keys() >= _KEYS:
            raise ParseError(f"{file} is not the manifest of an export", offset=0)
        if content["version"] != _VERSION:
            message = f"{file} has version {content['version']!r}, and this db-influx reads {_VERSION}"
            raise ParseError(message, offset=0)
        if not _is_sound(content):
            message = f"{file} is damaged: it lacks what an export writes. Export anew, into another folder"
            raise ParseError(message, offset=0)
        return cls(path, content)

    def has_alike(self, measurement: str) -> bool:
        """Tell whether another measurement differs in case alone: some disks take both for one name."""
        return self._alike[measurement.lower()] > 1

    def add(self, part: dict[str, Any]) -> None:
        """Note a part that is written, and save the manifest unless that was done a moment ago.

        A part that is not noted is written again after an interruption.
        """
        self.manifest["parts"].append(part)
        if time.monotonic() - self._saved > _SHARE * self._took:
            self.save()

    def save(self) -> None:
        """Write the manifest, whole or not at all."""
        begin = time.monotonic()
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / _NAME
        part = self.path / f".{_NAME}.{secrets.token_hex(4)}.part"
        text = json.dumps(self.manifest, ensure_ascii=False, indent=1)
        try:
            with part.open("x", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        self._saved = time.monotonic()
        self._took = self._saved - begin

    def clean(self) -> None:
        """Remove what an interruption has left of files that were being written."""
        for path in self.path.iterdir():
            if _PART.fullmatch(path.name):
                path.unlink()

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts that have a file."""
        return [part for part in self.manifest["parts"] if part["file"] is not None]

    @property
    def rows(self) -> int:
        """How many rows all files have."""
        return sum(part["rows"] for part in self.parts)

    def file(self, part: dict[str, Any]) -> Path:
        """Return the path of a part's file, which is in the folder.

        Raises:
            ParseError: The manifest names another place.
        """
        name: str = part["file"]
        if name != Path(name).name or name in ("", ".", "..", _NAME):
            raise ParseError(f"{self.path / _NAME} names a file outside of the folder: {name!r}", offset=0)
        return self.path / name

    def has(self, part: dict[str, Any]) -> bool:
        """Tell whether a part that was noted is still there, by its size."""
        if part["file"] is None:
            return True
        try:
            return bool(self.file(part).stat().st_size == part["bytes"])
        except FileNotFoundError:
            return False


def _is_sound(content: dict[str, Any]) -> bool:
    """Tell whether a manifest has all that is read of it, in its types."""
    parts, measurements = content["parts"], content["measurements"]
    return (
        isinstance(content["selection"], dict)
        and "format" in content["selection"]
        and isinstance(measurements, dict)
        and all(_has(about, _MEASUREMENT) for about in measurements.values())
        and isinstance(parts, list)
        and all(_has(part, _NOTED) and part["measurement"] in measurements for part in parts)
        and all(_has(part, _FILE) for part in parts if part["file"] is not None)
    )


def _has(found: object, kinds: dict[str, Any]) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(key), kind) for key, kind in kinds.items())


def described(path: Path) -> dict[str, Any]:
    """Return the size and the checksum of a file, as the manifest has them."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            digest.update(data)
            size += len(data)
    return {"bytes": size, "sha256": digest.hexdigest()}


def verified(path: Path, told: Callable[[int, int], None]) -> Folder:
    """Return a folder whose files are what its manifest says.

    Args:
        path: The folder.
        told: Is called with the bytes of each file that was checked, and with those of all files.

    Raises:
        FileNotFoundError: There is no manifest.
        IncompleteResultError: The export did not end, or files are missing or changed.
    """
    folder = Folder.read(path)
    if folder is None:
        raise FileNotFoundError(2, f"no {_NAME}, so that this is no folder of an export", str(path))
    if not folder.manifest["is_complete"]:
        message = f"the export to {path} did not end: db-influx export --resume goes on with it"
        raise IncompleteResultError(message)
    faults = []
    of_all = sum(part["bytes"] for part in folder.parts)
    for part in folder.parts:
        file = folder.file(part)
        try:
            found = described(file)
        except FileNotFoundError:
            faults.append(f"{file.name} is missing")
            continue
        if found["bytes"] != part["bytes"]:
            faults.append(f"{file.name} has {found['bytes']} bytes instead of {part['bytes']}")
        elif found["sha256"] != part["sha256"]:
            faults.append(f"{file.name} was changed: its checksum is another one")
        told(found["bytes"], of_all)
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""  # noqa: PLR2004 - as many as are shown
        raise IncompleteResultError(f"{path} is not as it was exported: {'; '.join(faults[:3])}{more}")
    return folder


def file_name(measurement: str, month: str, extension: str, *, is_hashed: bool = False) -> str:
    """Return the name of a file: what no name should hold is %XX; `is_hashed` adds what no other name has."""
    name = quote(measurement, safe=" ,;=+@()")
    if not measurement.strip("."):
        name = name.replace(".", "%2E")
    if is_hashed or len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}~{hashlib.sha256(measurement.encode()).hexdigest()[:16]}"
    return f"{name}-{month}.{extension}"


def iso(nanoseconds: int) -> str:
    """Return a time since the epoch as ISO 8601 text."""
    seconds, rest = divmod(nanoseconds, _SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{rest:09}Z"


def months(start: int, stop: int) -> Iterator[tuple[str, int, int]]:
    """Yield the parts of a range that lie in one month of UTC, each with the month's name."""
    while start < stop:
        shown = _EPOCH + timedelta(seconds=start // _SECOND)
        following = datetime(shown.year + shown.month // 12, shown.month % 12 + 1, 1, tzinfo=UTC)
        end = min(stop, (following - _EPOCH) // timedelta(seconds=1) * _SECOND)
        yield f"{shown.year:04}-{shown.month:02}", start, end
        start = end
