"""From a function and its arguments to a key: arguments that differ never share one; pure.

Arguments that JSON tells wholly are written as JSON, so that a key can be read. All others are hashed, part
by part, as `copy` would make each of them anew: from a constructor, its arguments and a state. So a type
that this module has never heard of tells its time zone, dtype, frequency or labels too, or is refused.
"""

from __future__ import annotations

import copyreg
import dataclasses
import datetime as dt
import functools
import hashlib
import inspect
import math
import sys
from enum import Enum
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import orjson

from db_core.errors import InvalidArgumentError
from db_core.foreign import is_of_a_library, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from db_redis._keys import Key

__all__ = ["key_maker"]

_LONGEST_KEY = 200  # bytes of arguments; more are hashed
_PROTOCOL = 4  # of the copy protocol: the one from which on a datetime tells its fold
_SIZE = 16  # bytes of a digest
_SCRIPTS = ("__main__", "__mp_main__")  # the latter in what multiprocessing spawns
# Of these, objects without an order of their own are parts of others.
_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow")


class _Untold(Exception):  # noqa: N818 - what it says of a value
    """A value does not tell all of itself; the text says why."""


def key_maker(function: Callable[..., Any], key: object) -> Callable[[tuple[Any, ...], dict[str, Any]], Key]:
    """Return what makes a key of a function's arguments.

    Args:
        function: The function that is decorated.
        key: A text to put before them, else the function's name; or a function that gives the whole key.

    Raises:
        InvalidArgumentError: `key` is none of these, or the function needs one.
    """
    if callable(key):
        whole = key
        return lambda args, kwargs: whole(*args, **kwargs)
    if key is not None and (not isinstance(key, str) or not key):
        raise InvalidArgumentError(
            f"`key` must be text or a function of the arguments, not {shown(key)}", argument="key"
        )
    text = _name_of(function) if key is None else key
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise _needs_key(
            function, "Python does not know its arguments", "a function of the arguments"
        ) from error

    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
        if not (args or kwargs or signature.parameters):
            return text
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        told = {name: _orderless(signature, name, value) for name, value in bound.arguments.items()}
        return f"{text}:{_written(told) or _hashed(told, text)}"

    return make


def _name_of(function: Any) -> str:
    """Return the module and name of a function that is the only one to have them."""
    if not inspect.isfunction(function):
        raise _needs_key(function, "only a function that `def` made has a name of its own")
    name = function.__qualname__
    if "<" in name or name.rpartition(".")[2] == "_":
        raise _needs_key(function, "other functions that are made in the same place have its name")
    # Where a decorator is written above a function, the name is not bound yet.
    named = _found(function)
    if named is not function and inspect.unwrap(function, stop=lambda inner: inner is named) is named:
        raise _needs_key(function, "it wraps another function and has the name of that one")
    module = _module_of(function)
    if not module:
        raise _needs_key(function, "functions of other sessions may have its name")
    return f"{module}.{name}"


def _module_of(named: Any) -> str | None:
    """Return the module of a function or class, of a script its file; None in a session without one."""
    module: str | None = named.__module__
    if module not in _SCRIPTS:  # each script is called so
        return module
    names = getattr(named, "__globals__", None) or vars(sys.modules[module])
    spec, path = (names.get(name) for name in ("__spec__", "__file__"))
    return spec.name if spec else str(Path(path).resolve()) if path else None


def _needs_key(function: object, reason: str, kind: str = "a text that is its own") -> InvalidArgumentError:
    name = getattr(function, "__qualname__", None) or f"a {type(function).__qualname__}"
    return InvalidArgumentError(
        f"`cached` needs `key` for {name}: {reason}. Pass `key=`, {kind}", argument="key"
    )


def _orderless(signature: inspect.Signature, name: str, value: Any) -> Any:
    """Return an argument such that how it was passed makes no difference."""
    kind = signature.parameters[name].kind
    if kind is inspect.Parameter.VAR_KEYWORD:
        return dict(sorted(value.items()))
    return list(value) if kind is inspect.Parameter.VAR_POSITIONAL else value


# --- As JSON ------------------------------------------------------------------


def _written(arguments: dict[str, Any]) -> str | None:
    """Return arguments as JSON, or its hash where it is long; None where JSON does not tell all of them."""
    try:
        text = orjson.dumps(arguments) if _is_json(arguments) else None
    except (orjson.JSONEncodeError, RecursionError):  # too deep, or no Unicode
        return None
    if text is not None and len(text) > _LONGEST_KEY:
        return hashlib.blake2b(text, digest_size=_SIZE).hexdigest()
    return text.decode() if text is not None else None


def _is_json(value: Any) -> bool:
    """Tell whether JSON says everything of a value, as of numbers, texts, lists and dicts alone."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_json(part) for key, part in value.items())
    if kind is list:
        return all(map(_is_json, value))
    return value is None or kind in (str, bool, int) or (kind is float and math.isfinite(value))


# --- As what would make them anew ---------------------------------------------


def _hashed(arguments: dict[str, Any], function: str) -> str:
    told: list[bytes] = []
    for name, value in arguments.items():
        try:
            told += [name.encode(), _digest_of(value)]
        except RecursionError:
            reason = "it is nested too deeply, or holds itself"
        except _Untold as untold:
            reason = str(untold)
        except BaseException as error:
            if not is_of_a_library(error):
                raise
            raise _no_key(name, function, f"{type(error).__name__}: {error}") from error
        else:
            continue
        raise _no_key(name, function, reason)
    return _digest("arguments", told).hex()


def _no_key(name: str, function: str, reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"the argument `{name}` of {function} makes no key: {reason}. "
        "Pass `key=`, a function of the same arguments that returns the key",
        argument="key",
    )


def _digest(kind: str, parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(kind.encode(), digest_size=_SIZE)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def _digest_of(value: Any) -> bytes:
    kind = type(value)
    if kind in _TELLERS:
        return _digest(f"{kind.__name__} ", _TELLERS[kind](value))
    if isinstance(value, type | FunctionType):
        return _digest("name ", [_own_name(value).encode()])
    if not _has_value(value):
        raise _Untold(f"{_label(kind)} has no `__eq__`, so no other value is equal to it")
    return _digest("made ", _remade(value))


def _remade(value: Any) -> Iterable[bytes]:
    """Tell what would make a value anew; see `object.__reduce__`."""
    kind = type(value)
    reduce = copyreg.dispatch_table.get(kind)
    reduced: Any = reduce(value) if reduce else value.__reduce_ex__(_PROTOCOL)
    if isinstance(reduced, str):  # the one object of that name
        yield f"{value.__module__}.{reduced}".encode()
        return
    make, arguments, *rest = reduced
    state, items, pairs = [*rest, None, None, None][:3]
    yield from map(_digest_of, (make, arguments, state, list(items or ()), list(pairs or ())))
    if isinstance(value, dt.datetime | dt.time):  # pandas leaves it out
        yield b"fold" * value.fold


def _has_value(value: Any) -> bool:
    """Tell whether a copy of a value may stand for it: not for what is equal to itself alone."""
    kind: Any = type(value)
    return (
        kind.__eq__ is not object.__eq__
        or isinstance(value, Enum | dt.tzinfo)
        or dataclasses.is_dataclass(value)
        or inspect.isroutine(value)
        or kind.__module__.partition(".")[0] in _LIBRARIES
    )


def _own_name(named: Any) -> str:
    """Return the module and name by which alone a class or function is found."""
    if _found(named) is not named:
        raise _Untold(f"{_label(named)} is not found by its name; define it at the top of a module")
    module = _module_of(named)
    if not module:
        raise _Untold(f"{_label(named)} is of a session without a file, and others may have one of its name")
    return f"{module}.{named.__qualname__}"


def _found(named: Any) -> Any:
    """Return what is found by the module and name of a class or function, None if nothing is."""
    try:
        return functools.reduce(getattr, named.__qualname__.split("."), sys.modules.get(named.__module__))
    except AttributeError:
        return None


def _label(named: Any) -> str:
    return f"{named.__module__}.{named.__qualname__}"


def _list(values: Iterable[Any]) -> Iterable[bytes]:
    return map(_digest_of, values)


def _set(values: Iterable[Any]) -> Iterable[bytes]:
    return sorted(map(_digest_of, values))


def _dict(values: dict[Any, Any]) -> Iterable[bytes]:
    for key, value in values.items():
        yield _digest_of(key)
        yield _digest_of(value)


# What each of these types tells of itself; a subclass is remade.
_TELLERS: dict[type, Callable[[Any], Iterable[bytes]]] = {
    type(None): lambda _: (),
    bool: lambda value: [b"%d" % value],
    int: lambda value: [hex(value).encode()],
    float: lambda value: [value.hex().encode()],
    str: lambda value: [value.encode()],
    bytes: lambda value: [value],
    list: _list,
    tuple: _list,
    set: _set,
    frozenset: _set,
    dict: _dict,
}
