"""Frames under keys, as steps: each is one Redis hash of a manifest and pieces of Arrow IPC.

One key, so that expiring, deleting and overwriting it do what they say. A frame of several pieces
is written under another name and renamed when it is whole: readers see the old one or the new.
The first piece is read in one go with the manifest. The fields of the others have the version in their
name, so a frame that is replaced in the middle of a read is noticed.
"""

from __future__ import annotations

import contextlib
import uuid
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import redis

from db_core.errors import IncompleteResultError, InvalidArgumentError, QueryError, SerializationError
from db_redis._errors import THEIRS
from db_redis._keys import slot_of
from db_redis._operations import OK, check, check_whole, shaped
from db_redis._steps import Command, Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db_redis._keys import Key
    from db_redis._operations import Options
    from db_redis._steps import Args, Steps

__all__ = ["PIECE_BYTES", "read_frame", "save_frame"]

# Unless told otherwise. Redis is busy with one for some milliseconds, and the copies that are made on
# both sides stay in the processor's cache: 24 MB went twice as fast so as in pieces of 8 MB.
PIECE_BYTES = 4 << 20
_LARGEST_PIECE = 512 << 20  # what Redis takes
_DRAFT_LIFETIME = b"600000"  # milliseconds: what is left of a writer that died goes away by itself
_MANIFEST = b"manifest"
_FIRST = b"0"
_FORMAT = 1
_ATTEMPTS = 3


class _Manifest(NamedTuple):
    """What a reader needs to know of a frame."""

    version: str
    pieces: int

    def written(self) -> bytes:
        return orjson.dumps({"format": _FORMAT, "version": self.version, "pieces": self.pieces})

    def field(self, number: int) -> bytes:
        return f"{self.version}:{number}".encode() if number else _FIRST


def save_frame(
    options: Options, key: Key, frame: object, expiration: object, *, piece_bytes: int
) -> Steps[None]:
    """Save a frame, in place of what was there."""
    # Imported here, so that `import db_redis` does not load the native extension.
    from db_core.ipc import write_pieces

    name = options.keys.name(key)
    lifetime = options.expiry.draw(expiration)
    check_whole("piece_bytes", piece_bytes)
    if piece_bytes > _LARGEST_PIECE:
        raise InvalidArgumentError(
            f"`piece_bytes` must be at most {_LARGEST_PIECE}, which is what Redis takes",
            argument="piece_bytes",
        )
    version = uuid.uuid4().hex
    pieces = write_pieces(frame, piece_bytes)
    first = next(pieces)
    second = next(pieces, None)
    if second is None:
        yield from _save_whole(name, first, _Manifest(version, 1), lifetime)
    else:
        draft = options.keys.draft(name, version)
        if options.is_cluster and slot_of(draft) != slot_of(name):
            raise InvalidArgumentError(
                f"`key` {key!r} has braces that are no hash tag: on a Cluster a large frame can't have it",
                argument="key",
            )
        yield from _save_in_pieces(name, draft, chain([first, second], pieces), version, lifetime)


def _save_whole(name: bytes, piece: bytes, manifest: _Manifest, lifetime: int | None) -> Steps[None]:
    commands: list[Args] = [
        ("UNLINK", name),
        ("HSET", name, _MANIFEST, manifest.written(), manifest.field(0), piece),
    ]
    if lifetime is not None:
        commands.append(("PEXPIRE", name, b"%d" % lifetime))
    replies = yield Pipeline(commands, atomic=True)
    check(replies)
    if replies[1:] != [2, 1][: len(commands) - 1]:  # two fields are new, and one key will expire
        raise _odd()


def _save_in_pieces(
    name: bytes, draft: bytes, pieces: Iterator[bytes], version: str, lifetime: int | None
) -> Steps[None]:
    try:
        number = 0
        for piece in pieces:
            alive: list[Args] = [("HSET", draft, b"writing", version), ("PEXPIRE", draft, _DRAFT_LIFETIME)]
            check((yield Pipeline(alive)))
            shaped((yield Command(("HSET", draft, _Manifest(version, 0).field(number), piece))), int)
            number += 1
        yield from _publish(name, draft, _Manifest(version, number), lifetime)
    except BaseException:
        with contextlib.suppress(*THEIRS):  # else it expires
            yield Command(("UNLINK", draft))
        raise


def _publish(name: bytes, draft: bytes, manifest: _Manifest, lifetime: int | None) -> Steps[None]:
    # Not in the transaction: redis-py repeats that when the connection breaks, and a manifest that is
    # written again when the draft is renamed already would be a frame without pieces.
    written = manifest.written()
    commands: list[Args] = [("HSET", draft, _MANIFEST, written), ("HDEL", draft, b"writing"), ("HLEN", draft)]
    replies = yield Pipeline(commands)
    check(replies)
    # A draft that Redis lost, evicted or flushed was begun anew by the next piece. Nothing is written to it
    # from here on, so it stays whole or is gone; but for a failover, after which it is too late to keep
    # what was there, and not to say so.
    fields = manifest.pieces + 1
    if replies[2] != fields:
        raise _gone()
    live: Args = ("PERSIST", draft) if lifetime is None else ("PEXPIRE", draft, b"%d" % lifetime)
    replies = yield Pipeline([("HLEN", draft), live, ("RENAME", draft, name)], atomic=True)
    if isinstance(replies[2], redis.ResponseError) and "no such key" in str(replies[2]):
        if written == (yield Command(("HGET", name, _MANIFEST), raw=True)):
            return  # a transaction that was repeated
        raise _gone()
    check(replies)
    if replies[0] != fields:
        raise _gone()
    if replies[2] not in OK:
        raise _odd()


def _gone() -> QueryError:
    return QueryError("saving a frame failed: its pieces were gone before it was whole; was Redis emptied?")


def _odd() -> QueryError:
    return QueryError("saving a frame failed: Redis answered neither OK nor an error")


def read_frame(options: Options, key: Key, into: Any, default: object) -> Steps[Any]:
    """Read a frame; one that is replaced meanwhile is read again."""
    from db_core.ipc import FrameReader, check_into

    name = options.keys.name(key)
    kind = check_into(into)
    written = None
    for attempt in range(_ATTEMPTS):
        # At last all in one go, as it is replaced faster than it is read.
        found = yield from _start(name, whole=attempt == _ATTEMPTS - 1)
        written = found.get(_MANIFEST)
        if written is None:
            there = yield Command(("TYPE", name), raw=True)
            if there == b"none":
                return default
            if there == b"hash":
                continue  # it was saved just now, or it is no frame
            kind_there = shaped(there, bytes).decode()
            raise QueryError(f"reading {key!r} failed: WRONGTYPE it holds a {kind_there}", code="WRONGTYPE")
        manifest = _manifest(key, written)
        reader = FrameReader()
        try:
            for number in range(manifest.pieces):
                field = manifest.field(number)
                piece = found.pop(field, None)
                if piece is None and number and attempt < _ATTEMPTS - 1:
                    piece = yield Command(("HGET", name, field), raw=True)
                if piece is None:
                    break
                reader.feed(shaped(piece, bytes))
            else:
                return reader.finish(kind)
        except SerializationError as error:
            raise SerializationError(
                f"the frame of {key!r} can't be read: {error}", path=error.path
            ) from error
    if written is None:
        raise SerializationError(f"what is stored under {key!r} is a hash, and no frame")
    raise IncompleteResultError(
        f"the frame of {key!r} is not whole: a piece was missing in each of {_ATTEMPTS} reads"
    )


def _start(name: bytes, *, whole: bool) -> Steps[dict[bytes, bytes | None]]:
    """Give the fields of the manifest and the first piece, or of the whole frame, at one moment."""
    if whole:
        fields: dict[bytes, bytes | None] = shaped((yield Command(("HGETALL", name), raw=True)), dict)
        return fields
    asked = (_MANIFEST, _FIRST)
    replies = shaped((yield Command(("HMGET", name, *asked), raw=True)), list, len(asked))
    return dict(zip(asked, replies, strict=True))


def _manifest(key: Key, written: bytes) -> _Manifest:
    try:
        known = orjson.loads(written)
        format_ = known["format"]
        check_whole("format", format_)
        if format_ != _FORMAT:
            raise SerializationError(
                f"the frame of {key!r} is of format {format_}; this version of db-redis reads {_FORMAT}"
            )
        check_whole("pieces", known["pieces"])
        return _Manifest(known["version"], known["pieces"])
    except (orjson.JSONDecodeError, KeyError, TypeError, InvalidArgumentError):
        raise SerializationError(
            f"what is stored under {key!r} is no frame: its manifest is malformed"
        ) from None
