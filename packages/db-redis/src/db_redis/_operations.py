"""The methods on values, as steps: what they send, and what they make of the replies."""

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
from db_redis._steps import Command, FailedPartway, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from db_redis._expiry import Expiry
    from db_redis._keys import Key, Keys
    from db_redis._steps import Args, Steps
    from db_redis._values import Nan

__all__ = [
    "CHUNK_BYTES",
    "OK_REPLIES",
    "Options",
    "check_positive",
    "decode_value",
    "decoder_for",
    "delete_many",
    "expect_reply",
    "raise_refusal",
    "read",
    "read_as",
    "read_many",
    "save",
    "save_many",
    "scan_options",
    "touch",
    "ttl",
]

CHUNK_BYTES = 1 << 20  # default: names and values in one round trip
_FIRST_READ = 1000  # keys in the first chunk of a read, before the size of any value is known
OK_REPLIES = (True, b"OK", "OK")  # redis-py makes it True, except in a transaction on a Cluster
_MAX_KEYS = 10_000  # in one command, as Redis serves nobody else while it runs


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a client that its methods need."""

    keys: Keys
    expiry: Expiry
    nan: Nan
    is_cluster: bool


def save(
    options: Options, key: Key, value: object, expiration: object = None, *, expires: bool = False
) -> Steps[None]:
    """Save one value. If it `expires`, None is not a valid expiration."""
    name = options.keys.name(key)
    lifetime = (
        options.expiry.with_jitter(milliseconds(expiration))
        if expires
        else options.expiry.lifetime(expiration)
    )
    text = encode(value, options.nan)
    # redis-py's `set` is slower: to check its fifteen options takes longer than to encode a small value.
    command: Args = ("SET", name, text)
    if lifetime is not None:
        command += ("PX", b"%d" % lifetime)
    reply = yield Command(command)
    if reply is not True:
        raise QueryError(f"saving {key!r} failed: Redis answered neither OK nor an error")


def read(options: Options, key: Key, default: object, decoder: Callable[[bytes], Any] = decode) -> Steps[Any]:
    """Read one value."""
    stored = yield Command(("GET", options.keys.name(key)), raw=True)
    return default if stored is None else decode_value(key, stored, decoder)


def read_as(options: Options, key: Key, kind: Any, default: object) -> Steps[Any]:
    """Read one value as a type."""
    if kind is None:
        raise InvalidArgumentError(
            "`type` must be a type, not None. Use type(None) for null", argument="type"
        )
    return (yield from read(options, key, default, decoder_for(kind)))


def decoder_for(kind: Any) -> Callable[[bytes], Any]:
    """Return the function that decodes a JSON text as a type; of None, the plain JSON decoder.

    Raises:
        InvalidArgumentError: `kind` is not a type that can be read.
    """
    if kind is None:
        return decode
    # Imported here, so that `import db_redis` does not load pydantic.
    from db_redis._pydantic import adapter_of, decode_as

    adapter_of(kind)
    return lambda text: decode_as(text, kind)


def decode_value(key: Key, stored: bytes, decoder: Callable[[bytes], Any] = decode) -> Any:
    """Decode the value stored under a key, so that an error names the key."""
    try:
        return decoder(stored)
    except SerializationError as error:
        raise SerializationError(f"the value of {key!r} can't be read: {error}", path=error.path) from error


def save_many(
    options: Options, mapping: Mapping[Key, object], expiration: object, *, atomic: bool, chunk_bytes: int
) -> Steps[None]:
    """Save values in chunks. Each chunk is one command or pipeline, or a transaction if `atomic`."""
    lifetime = options.expiry.without_jitter(expiration)
    check_positive("chunk_bytes", chunk_bytes)
    if not isinstance(atomic, bool):
        raise InvalidArgumentError(f"`atomic` must be True or False, not {shown(atomic)}", argument="atomic")
    values = _encode_values(options, mapping)  # all of them before the first is sent
    saved = 0
    for group in _group_by_slot(values) if atomic and options.is_cluster else [values]:
        for chunk in _chunks(group, chunk_bytes):
            try:
                if lifetime is None and not options.is_cluster:
                    replies = [(yield Command(("MSET", *chain.from_iterable(chunk.items()))))]
                else:
                    replies = yield Pipeline(
                        [_set_command(options, pair, lifetime) for pair in chunk.items()], atomic
                    )
                raise_refusal(replies)
            except THEIRS as error:
                raise FailedPartway(f"after {saved} of {len(values)} keys") from error
            if not all(reply in OK_REPLIES for reply in replies):
                where = f"after {saved} of {len(values)} keys"
                raise QueryError(f"saving failed {where}: Redis answered neither OK nor an error")
            saved += len(chunk)


def _set_command(options: Options, pair: tuple[bytes, bytes], lifetime: int | None) -> Args:
    if lifetime is None:
        return ("SET", *pair)
    return ("SET", *pair, "PX", b"%d" % (options.expiry.with_jitter(lifetime) or lifetime))


def _encode_values(options: Options, mapping: object) -> dict[bytes, bytes]:
    """Return the JSON text of each value by the name of its key."""
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
    """Read values in chunks. The size of the values so far sets the number of keys in the next chunk."""
    names = options.keys.names(keys)
    check_positive("chunk_bytes", chunk_bytes)
    all_names, all_keys = list(names), list(names.values())
    found: dict[Key, Any] = {}
    missing: list[bytes] = []
    start, size, bytes_read = 0, _FIRST_READ, 0
    while start < len(all_names):
        chunk = all_names[start : start + size]
        if options.is_cluster:  # redis-py sends each key to its node
            replies = yield Pipeline([("GET", name) for name in chunk], raw=True)
            raise_refusal(replies)
        else:
            replies = yield Command(("MGET", *chunk), raw=True)
        expect_reply(replies, list, len(chunk))
        chunk_keys = all_keys[start : start + size]
        if None in replies:
            missing += [name for name, stored in zip(chunk, replies, strict=True) if stored is None]
            chunk_keys = [key for key, stored in zip(chunk_keys, replies, strict=True) if stored is not None]
            replies = [stored for stored in replies if stored is not None]
        found.update(zip(chunk_keys, _decode_chunk(chunk_keys, replies), strict=True))
        start += size
        if start < len(all_names):
            bytes_read += sum(map(len, replies))
            size = min(max(chunk_bytes * start // max(bytes_read, 1), 1), _MAX_KEYS)
    if not options.is_cluster:
        yield from _refuse_other_types(names, missing)
    return found


def _decode_chunk(keys: list[Key], texts: list[bytes]) -> list[Any]:
    try:
        return decode_all(texts)
    except SerializationError:  # one by one, so that the error names the key
        return [decode_value(key, text) for key, text in zip(keys, texts, strict=True)]


def _refuse_other_types(names: dict[bytes, Key], missing: list[bytes]) -> Steps[None]:
    """Raise an error if a missing name holds a frame or a list, for which MGET replies the same."""
    if not missing or not (yield Command(("EXISTS", *missing))):
        return
    kinds = yield Pipeline([("TYPE", name) for name in missing], raw=True)
    raise_refusal(kinds)
    for name, kind in zip(missing, kinds, strict=True):
        expect_reply(kind, bytes)
        if kind not in (b"none", b"string"):  # a string was saved after it was read as missing
            raise QueryError(
                f"reading {names[name]!r} failed: WRONGTYPE expected a value, the key has a {kind.decode()}",
                code="WRONGTYPE",
            )


def delete_many(options: Options, keys: object) -> Steps[int]:
    """Delete keys; Redis frees their memory in the background."""
    names = list(options.keys.names(keys))
    deleted = 0
    for start in range(0, len(names), _MAX_KEYS):
        chunk = names[start : start + _MAX_KEYS]
        try:
            if options.is_cluster:
                replies = yield Pipeline([("UNLINK", name) for name in chunk])
                raise_refusal(replies)
            else:
                replies = [(yield Command(("UNLINK", *chunk)))]
            deleted += sum(expect_reply(reply, int) for reply in replies)
        except THEIRS as error:
            raise FailedPartway(f"after {start} of {len(names)} keys") from error
    return deleted


def touch(options: Options, key: Key, expiration: object) -> Steps[bool]:
    """Set a new expiry of a key."""
    name = options.keys.name(key)
    lifetime = options.expiry.lifetime(expiration)
    if lifetime is None:
        raise InvalidArgumentError(
            "`expiration_in_seconds` must be given, as the client has no `default_ttl`",
            argument="expiration_in_seconds",
        )
    return bool((yield Command(("PEXPIRE", name, b"%d" % lifetime))))


def ttl(options: Options, key: Key) -> Steps[float | None]:
    """Return the seconds that a key has left."""
    left = expect_reply((yield Command(("PTTL", options.keys.name(key)))), int)
    return None if left == -2 else math.inf if left == -1 else left / 1000  # noqa: PLR2004 - Redis's own codes


def scan_options(options: Options, match: object, count: object) -> dict[str, object]:
    """Return the arguments of redis-py's `scan_iter`."""
    check_positive("count", count)
    return {"match": options.keys.pattern(match), "count": count}


def check_positive(argument: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(
            f"`{argument}` must be a whole number, at least 1, not {shown(value)}", argument=argument
        )


def _chunks(values: dict[bytes, bytes], limit: int) -> Iterator[dict[bytes, bytes]]:
    """Split values into chunks of at most `limit` bytes; a larger value is a chunk alone."""
    if len(values) <= _MAX_KEYS and sum(map(len, values)) + sum(map(len, values.values())) <= limit:
        if values:
            yield values
        return
    chunk: dict[bytes, bytes] = {}
    size = 0
    for name, text in values.items():
        weight = len(name) + len(text)
        if chunk and (size + weight > limit or len(chunk) == _MAX_KEYS):
            yield chunk
            chunk, size = {}, 0
        chunk[name] = text
        size += weight
    yield chunk


def _group_by_slot(values: dict[bytes, bytes]) -> list[dict[bytes, bytes]]:
    groups: dict[int, dict[bytes, bytes]] = {}
    for name, text in values.items():
        groups.setdefault(slot_of(name), {})[name] = text
    return list(groups.values())


def raise_refusal(replies: list[Any]) -> None:
    """Raise the first exception among a pipeline's replies, if there is one."""
    error = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if error is not None:
        # Else the error's own frames refer to it by this list, until garbage is collected.
        replies.clear()
        try:
            raise error
        finally:
            del error


def expect_reply(reply: Any, kind: type[Any], size: int | None = None) -> Any:
    """Return a reply, if it has the type and the number of parts that the command's replies have.

    Raises:
        redis.InvalidResponse: It does not.
    """
    if type(reply) is not kind or (size is not None and len(reply) != size):
        raise redis.InvalidResponse("the reply does not have the form that this command's replies have")
    return reply
