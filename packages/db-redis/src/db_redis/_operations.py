"""The methods on values, as steps: what to send and what the replies mean, without waiting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import redis

from db_core.errors import InvalidArgumentError, QueryError, SerializationError
from db_core.foreign import shown
from db_redis._codec import decode, decode_all, encode
from db_redis._errors import THEIRS
from db_redis._expiry import milliseconds
from db_redis._keys import slot_of
from db_redis._steps import Command, Incomplete, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from db_redis._expiry import Expiry
    from db_redis._keys import Key, Keys
    from db_redis._steps import Args, Steps
    from db_redis._values import Nan

__all__ = [
    "CHUNK_BYTES",
    "OK",
    "Options",
    "check",
    "check_whole",
    "decoded",
    "delete_many",
    "read",
    "read_as",
    "read_many",
    "save",
    "save_many",
    "scan_options",
    "shaped",
    "touch",
    "ttl",
    "typed",
]

CHUNK_BYTES = 1 << 20  # of names and values in one go, unless told otherwise
_FIRST_READ = 1000  # keys, before anything is known of their values' size
OK = (True, b"OK", "OK")  # redis-py leaves it as it is in a transaction on a Cluster
_MOST_KEYS = 10_000  # in one command, which Redis does at a stretch


@dataclass(frozen=True, slots=True)
class Options:
    """What a client was told, as far as its methods need to know."""

    keys: Keys
    expiry: Expiry
    nan: Nan
    is_cluster: bool


def save(
    options: Options, key: Key, value: object, expiration: object = None, *, expires: bool = False
) -> Steps[None]:
    """Save one value; where it `expires`, None is no expiration."""
    name = options.keys.name(key)
    lifetime = options.expiry.spread(milliseconds(expiration)) if expires else options.expiry.draw(expiration)
    text = encode(value, options.nan)
    # Not redis-py's `set`: weighing its fifteen options takes it longer than encoding a small value.
    command: Args = ("SET", name, text)
    if lifetime is not None:
        command += ("PX", b"%d" % lifetime)
    reply = yield Command(command)
    if reply is not True:
        raise QueryError(f"saving {key!r} failed: Redis answered neither OK nor an error")


def read(options: Options, key: Key, default: object, decoder: Callable[[bytes], Any] = decode) -> Steps[Any]:
    """Read one value."""
    stored = yield Command(("GET", options.keys.name(key)), raw=True)
    return default if stored is None else decoded(key, stored, decoder)


def read_as(options: Options, key: Key, kind: Any, default: object) -> Steps[Any]:
    """Read one value as a type."""
    if kind is None:
        raise InvalidArgumentError("`type` must be a type; for null alone it is type(None)", argument="type")
    return (yield from read(options, key, default, typed(kind)))


def typed(kind: Any) -> Callable[[bytes], Any]:
    """Give what decodes a text as a type, which is looked at first; None is whatever JSON has."""
    if kind is None:
        return decode
    # Imported here, so that `import db_redis` does not load pydantic.
    from db_redis._pydantic import adapter_of, decode_as

    adapter_of(kind)
    return lambda text: decode_as(text, kind)


def decoded(key: Key, stored: bytes, decoder: Callable[[bytes], Any] = decode) -> Any:
    """Read a stored value; errors name the key."""
    try:
        return decoder(stored)
    except SerializationError as error:
        raise SerializationError(f"the value of {key!r} can't be read: {error}", path=error.path) from error


def save_many(
    options: Options, mapping: Mapping[Key, object], expiration: object, *, atomic: bool, chunk_bytes: int
) -> Steps[None]:
    """Save values in chunks, of which each is a command, or a transaction where asked."""
    lifetime = options.expiry.fixed(expiration)
    check_whole("chunk_bytes", chunk_bytes)
    if not isinstance(atomic, bool):
        raise InvalidArgumentError(f"`atomic` must be True or False, not {shown(atomic)}", argument="atomic")
    values = _encoded(options, mapping)  # all, before the first is sent
    saved = 0
    for group in _by_slot(values) if atomic and options.is_cluster else [values]:
        for chunk in _chunks(group, chunk_bytes):
            try:
                if lifetime is None and not options.is_cluster:
                    replies = [(yield Command(("MSET", *chain.from_iterable(chunk.items()))))]
                else:
                    replies = yield Pipeline(
                        [_set(options, pair, lifetime) for pair in chunk.items()], atomic
                    )
                check(replies)
            except THEIRS as error:
                raise Incomplete(f"after {saved} of {len(values)} keys") from error
            if not all(reply in OK for reply in replies):
                where = f"after {saved} of {len(values)} keys"
                raise QueryError(f"saving failed {where}: Redis answered neither OK nor an error")
            saved += len(chunk)


def _set(options: Options, pair: tuple[bytes, bytes], lifetime: int | None) -> Args:
    if lifetime is None:
        return ("SET", *pair)
    return ("SET", *pair, "PX", b"%d" % (options.expiry.spread(lifetime) or lifetime))


def _encoded(options: Options, mapping: object) -> dict[bytes, bytes]:
    """Give the text of each value by the name of its key."""
    if not hasattr(mapping, "items"):
        raise InvalidArgumentError(
            f"`mapping` must be a mapping of keys to values, not {type(mapping).__name__}", argument="mapping"
        )
    items: list[tuple[Key, object]] = list(mapping.items())
    names = options.keys.names([key for key, _ in items], "mapping")
    if len(names) < len(items):
        raise InvalidArgumentError("`mapping` has a key twice, as text and as bytes", argument="mapping")
    texts: list[bytes] = []
    try:
        texts.extend(encode(value, options.nan) for _, value in items)
    except SerializationError as error:
        key, _ = items[len(texts)]
        raise SerializationError(f"the value of {key!r}: {error}", path=error.path) from error
    return dict(zip(names, texts, strict=True))


def read_many(options: Options, keys: object, *, chunk_bytes: int) -> Steps[dict[Any, Any]]:
    """Read values in chunks, whose number of keys follows from the size of the values so far."""
    names = options.keys.names(keys)
    check_whole("chunk_bytes", chunk_bytes)
    todo, given = list(names), list(names.values())
    found: dict[Key, Any] = {}
    missing: list[bytes] = []
    start, size, bytes_read = 0, _FIRST_READ, 0
    while start < len(todo):
        chunk = todo[start : start + size]
        if options.is_cluster:  # redis-py sends each key to its node
            replies = yield Pipeline([("GET", name) for name in chunk], raw=True)
            check(replies)
        else:
            replies = yield Command(("MGET", *chunk), raw=True)
        shaped(replies, list, len(chunk))
        keys_here = given[start : start + size]
        if None in replies:
            gone = {place for place, stored in enumerate(replies) if stored is None}
            missing += [name for place, name in enumerate(chunk) if place in gone]
            keys_here = [key for place, key in enumerate(keys_here) if place not in gone]
            replies = [stored for stored in replies if stored is not None]
        found.update(zip(keys_here, _decode_chunk(keys_here, replies), strict=True))
        start += size
        if start < len(todo):
            bytes_read += sum(map(len, replies))
            size = min(max(chunk_bytes * start // max(bytes_read, 1), 1), _MOST_KEYS)
    if not options.is_cluster:
        yield from _refuse_other_kinds(names, missing)
    return found


def _decode_chunk(keys: list[Key], texts: list[bytes]) -> list[Any]:
    try:
        return decode_all(texts)
    except SerializationError:  # which one it is
        return [decoded(key, text) for key, text in zip(keys, texts, strict=True)]


def _refuse_other_kinds(names: dict[bytes, Key], missing: list[bytes]) -> Steps[None]:
    """MGET says of a key with a frame or a list what it says of a missing one; this tells them apart."""
    if not missing or not (yield Command(("EXISTS", *missing))):
        return
    kinds = yield Pipeline([("TYPE", name) for name in missing], raw=True)
    check(kinds)
    for name, kind in zip(missing, kinds, strict=True):
        shaped(kind, bytes)
        if kind not in (b"none", b"string"):  # a string was saved just now: still missing when it was read
            raise QueryError(
                f"reading {names[name]!r} failed: WRONGTYPE it holds a {kind.decode()}, not a value",
                code="WRONGTYPE",
            )


def delete_many(options: Options, keys: object) -> Steps[int]:
    """Delete keys; Redis frees their memory in the background."""
    names = list(options.keys.names(keys))
    deleted = 0
    for start in range(0, len(names), _MOST_KEYS):
        chunk = names[start : start + _MOST_KEYS]
        try:
            if options.is_cluster:
                replies = yield Pipeline([("UNLINK", name) for name in chunk])
                check(replies)
            else:
                replies = [(yield Command(("UNLINK", *chunk)))]
            deleted += sum(shaped(reply, int) for reply in replies)
        except THEIRS as error:
            raise Incomplete(f"after {start} of {len(names)} keys") from error
    return deleted


def touch(options: Options, key: Key, expiration: object) -> Steps[bool]:
    """Set the expiry of a key anew."""
    name = options.keys.name(key)
    lifetime = options.expiry.draw(expiration)
    if lifetime is None:
        raise InvalidArgumentError(
            "`expiration_in_seconds` must be given, as the client has no `default_ttl`",
            argument="expiration_in_seconds",
        )
    return bool((yield Command(("PEXPIRE", name, b"%d" % lifetime))))


def ttl(options: Options, key: Key) -> Steps[float | None]:
    """Give the seconds a key has left."""
    left = shaped((yield Command(("PTTL", options.keys.name(key)))), int)
    return None if left == -2 else math.inf if left == -1 else left / 1000  # noqa: PLR2004 - as Redis has them


def scan_options(options: Options, match: object, count: object) -> dict[str, object]:
    """Give the arguments of redis-py's `scan_iter`."""
    check_whole("count", count)
    return {"match": options.keys.pattern(match), "count": count}


def check_whole(argument: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(
            f"`{argument}` must be a whole number, at least 1, not {shown(value)}", argument=argument
        )


def _chunks(values: dict[bytes, bytes], limit: int) -> Iterator[dict[bytes, bytes]]:
    """Cut so that no chunk has more bytes than `limit`, unless it is one value."""
    if len(values) <= _MOST_KEYS and sum(map(len, values)) + sum(map(len, values.values())) <= limit:
        if values:
            yield values
        return
    chunk: dict[bytes, bytes] = {}
    size = 0
    for name, text in values.items():
        weight = len(name) + len(text)
        if chunk and (size + weight > limit or len(chunk) == _MOST_KEYS):
            yield chunk
            chunk, size = {}, 0
        chunk[name] = text
        size += weight
    yield chunk


def _by_slot(values: dict[bytes, bytes]) -> list[dict[bytes, bytes]]:
    groups: dict[int, dict[bytes, bytes]] = {}
    for name, text in values.items():
        groups.setdefault(slot_of(name), {})[name] = text
    return list(groups.values())


def check(replies: list[Any]) -> None:
    """Raise the first refusal in a pipeline's replies."""
    error = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if error is not None:
        replies.clear()  # or the error holds itself, by the frames that have them, until garbage is collected
        try:
            raise error
        finally:
            del error


def shaped(reply: Any, kind: type[Any], size: int | None = None) -> Any:
    """Give a reply of the type, and with as many parts, as the command has; raise if it is another."""
    if type(reply) is not kind or (size is not None and len(reply) != size):
        raise redis.InvalidResponse("the reply is none to this command")
    return reply
