"""The methods on frames, as steps. A frame is one Redis hash of a manifest and pieces of Arrow IPC.

As a frame has one key, expiring, deleting and overwriting it are single commands. A frame of several pieces
is a draft under another name until it is whole, and then renamed: readers see the old frame or the new one.
The manifest and the first piece are read at once. The fields of the other pieces have the version in their
name, so that a reader notices a frame that is replaced while it reads.
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
from db_redis._operations import OK_REPLIES, check_positive, expect_reply, raise_refusal
from db_redis._steps import Command, Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db_redis._keys import Key
    from db_redis._operations import Options
    from db_redis._steps import Args, Steps

__all__ = ["PIECE_BYTES", "read_frame", "save_frame"]

# The default. Redis is busy with such a piece for some milliseconds, and the copies that both sides make
# stay in the processor's cache: 24 MB took half the time that they took in pieces of 8 MB.
PIECE_BYTES = 4 << 20
_LARGEST_PIECE = 512 << 20  # the longest value that Redis accepts
_DRAFT_LIFETIME = b"600000"  # milliseconds, after which the draft of a writer that died expires
_MANIFEST = b"manifest"
_FIRST = b"0"
_FORMAT = 1
_ATTEMPTS = 3


class _Manifest(NamedTuple):
    """The version of a frame and its number of pieces."""

    version: str
    pieces: int

    def to_json(self) -> bytes:
        return orjson.dumps({"format": _FORMAT, "version": self.version, "pieces": self.pieces})

    def field(self, number: int) -> bytes:
        return f"{self.version}:{number}".encode() if number else _FIRST


def save_frame(
    options: Options, key: Key, frame: object, expiration: object, *, piece_bytes: int
) -> Steps[None]:
    """Save a frame in place of what the key held."""
    # Imported here, so that `import db_redis` does not load the native extension.
    from db_core.ipc import write_pieces

    name = options.keys.name(key)
    lifetime = options.expiry.lifetime(expiration)
    check_positive("piece_bytes", piece_bytes)
    if piece_bytes > _LARGEST_PIECE:
        raise InvalidArgumentError(
            f"`piece_bytes` must be at most {_LARGEST_PIECE}, the largest value of Redis, not {piece_bytes}",
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
                f"`key` {key!r} has braces that are no hash tag. On a Cluster, the key of a large frame must "
                "have no braces or a complete hash tag",
                argument="key",
            )
        yield from _save_in_pieces(name, draft, chain([first, second], pieces), version, lifetime)


def _save_whole(name: bytes, piece: bytes, manifest: _Manifest, lifetime: int | None) -> Steps[None]:
    commands: list[Args] = [
        ("UNLINK", name),
        ("HSET", name, _MANIFEST, manifest.to_json(), manifest.field(0), piece),
    ]
    if lifetime is not None:
        commands.append(("PEXPIRE", name, b"%d" % lifetime))
    replies = yield Pipeline(commands, atomic=True)
    raise_refusal(replies)
    if replies[1:] != [2, 1][: len(commands) - 1]:  # two new fields, and one key with an expiry
        raise _unexpected_reply()


def _save_in_pieces(
    name: bytes, draft: bytes, pieces: Iterator[bytes], version: str, lifetime: int | None
) -> Steps[None]:
    try:
        number = 0
        for piece in pieces:
            alive: list[Args] = [("HSET", draft, b"writing", version), ("PEXPIRE", draft, _DRAFT_LIFETIME)]
            raise_refusal((yield Pipeline(alive)))
            expect_reply((yield Command(("HSET", draft, _Manifest(version, 0).field(number), piece))), int)
            number += 1
        yield from _publish(name, draft, _Manifest(version, number), lifetime)
    except BaseException:
        with contextlib.suppress(*THEIRS):  # if it fails, the draft expires
            yield Command(("UNLINK", draft))
        raise


def _publish(name: bytes, draft: bytes, manifest: _Manifest, lifetime: int | None) -> Steps[None]:
    # The manifest is not written in the transaction below. redis-py repeats a transaction when the connection
    # breaks, and a manifest that is written after the draft was renamed would be a frame without pieces.
    written = manifest.to_json()
    commands: list[Args] = [("HSET", draft, _MANIFEST, written), ("HDEL", draft, b"writing"), ("HLEN", draft)]
    replies = yield Pipeline(commands)
    raise_refusal(replies)
    # If Redis lost, evicted or flushed the draft, the next piece began a new one, which lacks the earlier
    # pieces. Nothing is written to the draft from here on, so it stays whole or does not exist. Only after a
    # failover can it lack pieces below; then the old frame is lost, and an error says so.
    fields = manifest.pieces + 1
    if replies[2] != fields:
        raise _draft_lost()
    live: Args = ("PERSIST", draft) if lifetime is None else ("PEXPIRE", draft, b"%d" % lifetime)
    replies = yield Pipeline([("HLEN", draft), live, ("RENAME", draft, name)], atomic=True)
    if isinstance(replies[2], redis.ResponseError) and "no such key" in str(replies[2]):
        if written == (yield Command(("HGET", name, _MANIFEST), raw=True)):
            return  # redis-py repeated the transaction, and the first time it took effect
        raise _draft_lost()
    raise_refusal(replies)
    if replies[0] != fields:
        raise _draft_lost()
    if replies[2] not in OK_REPLIES:
        raise _unexpected_reply()


def _draft_lost() -> QueryError:
    return QueryError(
        "saving a frame failed: Redis lost some of its pieces before all were written. "
        "Save it again, and check whether Redis was emptied"
    )


def _unexpected_reply() -> QueryError:
    return QueryError("saving a frame failed: Redis answered neither OK nor an error")


def read_frame(options: Options, key: Key, into: Any, default: object) -> Steps[Any]:
    """Read a frame, and once more if it is replaced meanwhile."""
    from db_core.ipc import FrameReader, check_into

    name = options.keys.name(key)
    kind = check_into(into)
    written = None
    for attempt in range(_ATTEMPTS):
        # The last attempt reads the whole hash at once, as it is replaced faster than piece by piece.
        found = yield from _read_beginning(name, whole=attempt == _ATTEMPTS - 1)
        written = found.get(_MANIFEST)
        if written is None:
            there = yield Command(("TYPE", name), raw=True)
            if there == b"none":
                return default
            if there == b"hash":
                continue  # the frame was saved just now, or the hash is not a frame
            kind_there = expect_reply(there, bytes).decode()
            raise QueryError(
                f"reading {key!r} failed: WRONGTYPE expected a frame, the key has a {kind_there}",
                code="WRONGTYPE",
            )
        manifest = _parse_manifest(key, written)
        reader = FrameReader()
        try:
            for number in range(manifest.pieces):
                field = manifest.field(number)
                piece = found.pop(field, None)
                if piece is None and number and attempt < _ATTEMPTS - 1:
                    piece = yield Command(("HGET", name, field), raw=True)
                if piece is None:
                    break
                reader.feed(expect_reply(piece, bytes))
            else:
                return reader.finish(kind)
        except SerializationError as error:
            raise SerializationError(
                f"the frame of {key!r} can't be read: {error}", path=error.path
            ) from error
    if written is None:
        raise SerializationError(f"the hash stored under {key!r} is not a frame")
    raise IncompleteResultError(
        f"the frame of {key!r} is not complete: a piece was missing in each of {_ATTEMPTS} reads"
    )


def _read_beginning(name: bytes, *, whole: bool) -> Steps[dict[bytes, bytes | None]]:
    """Read the manifest and the first piece, or the `whole` frame, in one command."""
    if whole:
        fields: dict[bytes, bytes | None] = expect_reply((yield Command(("HGETALL", name), raw=True)), dict)
        return fields
    wanted = (_MANIFEST, _FIRST)
    replies = expect_reply((yield Command(("HMGET", name, *wanted), raw=True)), list, len(wanted))
    return dict(zip(wanted, replies, strict=True))


def _parse_manifest(key: Key, written: bytes) -> _Manifest:
    try:
        fields = orjson.loads(written)
        format_ = fields["format"]
        check_positive("format", format_)
        if format_ != _FORMAT:
            raise SerializationError(
                f"the frame of {key!r} has format {format_}, and this version of db-redis reads {_FORMAT}. "
                "Use the version that saved it"
            )
        check_positive("pieces", fields["pieces"])
        return _Manifest(fields["version"], fields["pieces"])
    except (orjson.JSONDecodeError, KeyError, TypeError, InvalidArgumentError):
        raise SerializationError(
            f"the hash stored under {key!r} is not a frame: its manifest is malformed"
        ) from None
