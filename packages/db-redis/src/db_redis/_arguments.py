"""From a function and its arguments to a key of `cached`: different arguments never share a key; pure.

Arguments that JSON describes completely are written as JSON, so that a person can read the key. All others
are hashed, part by part, by what `copy` would use to copy them: a constructor, its arguments and a state.
So of a type that this module does not know the time zone, dtype, frequency and labels count too, or the
value is refused.
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

_LONGEST_KEY = 200  # bytes of arguments as JSON; longer ones are hashed
_PROTOCOL = 4  # of `object.__reduce_ex__`: the first one with the fold of a datetime
_SIZE = 16  # bytes of a digest
_SCRIPTS = ("__main__", "__mp_main__")  # the second one in processes that multiprocessing spawns
# Their values may have parts that define no `__eq__`, and are described completely all the same.
_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow")


class _NotKeyable(Exception):  # noqa: N818 - it says something about a value
    """A value can't be described completely, so it can't be a part of a key. The text says why."""


def key_maker(function: Callable[..., Any], key: object) -> Callable[[tuple[Any, ...], dict[str, Any]], Key]:
    """Return the function that makes a key from the arguments of a call.

    Args:
        function: The function that is decorated.
        key: A text to put before the arguments, or a function that returns the whole key. None stands for
            the name of `function`.

    Raises:
        InvalidArgumentError: `key` is none of these, or the function needs one.
    """
    if callable(key):
        make_key = key
        return lambda args, kwargs: make_key(*args, **kwargs)
    if key is not None and (not isinstance(key, str) or not key):
        raise InvalidArgumentError(
            f"`key` must be non-empty text or a function of the arguments, not {shown(key)}", argument="key"
        )
    text = _name_of(function) if key is None else key
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise _needs_key(
            function, "Python can't find its parameters", "a function of the arguments"
        ) from error

    def make(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
        if not (args or kwargs or signature.parameters):
            return text
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {name: _normalized(signature, name, value) for name, value in bound.arguments.items()}
        return f"{text}:{_as_json(arguments) or _as_hash(arguments, text)}"

    return make


def _name_of(function: Any) -> str:
    """Return the module and name of a function, if no other function has the same.

    Raises:
        InvalidArgumentError: Another function may have the same.
    """
    if not inspect.isfunction(function):
        raise _needs_key(function, "it was not made by `def`, so it has no unique name")
    name = function.__qualname__
    if "<" in name or name.rpartition(".")[2] == "_":
        raise _needs_key(function, "other functions that are made in the same place have the same name")
    # While a decorator runs, the name of its function is not bound yet, so nothing else is found by it.
    found = _find_by_name(function)
    if found is not function and inspect.unwrap(function, stop=lambda inner: inner is found) is found:
        raise _needs_key(function, "it wraps another function and has the name of that function")
    module = _module_of(function)
    if not module:
        raise _needs_key(function, "functions of other sessions may have the same name")
    return f"{module}.{name}"


def _module_of(named: Any) -> str | None:
    """Return the module of a function or class, or the file of a script; None in an interactive session."""
    module: str | None = named.__module__
    if module not in _SCRIPTS:  # every script has one of these names
        return module
    names = getattr(named, "__globals__", None) or vars(sys.modules[module])
    spec, path = (names.get(name) for name in ("__spec__", "__file__"))
    return spec.name if spec else str(Path(path).resolve()) if path else None


def _needs_key(
    function: object, reason: str, kind: str = "a text that only this function has"
) -> InvalidArgumentError:
    name = getattr(function, "__qualname__", None) or f"a {type(function).__qualname__}"
    return InvalidArgumentError(
        f"`cached` needs `key` for {name}: {reason}. Pass `key=`, {kind}", argument="key"
    )


def _normalized(signature: inspect.Signature, name: str, value: Any) -> Any:
    """Return an argument in a form that does not depend on how it was passed."""
    kind = signature.parameters[name].kind
    if kind is inspect.Parameter.VAR_KEYWORD:
        return dict(sorted(value.items()))
    return list(value) if kind is inspect.Parameter.VAR_POSITIONAL else value


# --- As JSON ------------------------------------------------------------------


def _as_json(arguments: dict[str, Any]) -> str | None:
    """Return arguments as JSON, hashed if it is long; None if JSON does not describe them completely."""
    try:
        text = orjson.dumps(arguments) if _is_json(arguments) else None
    except (orjson.JSONEncodeError, RecursionError):  # nested too deeply, or not valid Unicode
        return None
    if text is not None and len(text) > _LONGEST_KEY:
        return hashlib.blake2b(text, digest_size=_SIZE).hexdigest()
    return text.decode() if text is not None else None


def _is_json(value: Any) -> bool:
    """Return whether JSON describes a value completely: numbers, texts, lists and dicts of them."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_json(part) for key, part in value.items())
    if kind is list:
        return all(map(_is_json, value))
    return value is None or kind in (str, bool, int) or (kind is float and math.isfinite(value))


# --- As what `copy` would use --------------------------------------------------


def _as_hash(arguments: dict[str, Any], function: str) -> str:
    parts: list[bytes] = []
    for name, value in arguments.items():
        try:
            parts += [name.encode(), _digest_of(value)]
        except RecursionError:
            reason = "it is nested too deeply, or contains itself"
        except _NotKeyable as error:
            reason = str(error)
        except BaseException as error:
            if not is_of_a_library(error):
                raise
            raise _refused(name, function, f"{type(error).__name__}: {error}") from error
        else:
            continue
        raise _refused(name, function, reason)
    return _digest("arguments", parts).hex()


def _refused(name: str, function: str, reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"the argument `{name}` of {function} can't be a part of the key: {reason}. "
        "Pass `key=`, a function that takes the same arguments and returns the key",
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
    if kind in _PARTS:
        return _digest(f"{kind.__name__} ", _PARTS[kind](value))
    if isinstance(value, type | FunctionType):
        return _digest("name ", [_unique_name(value).encode()])
    if not _is_equal_to_a_copy(value):
        raise _NotKeyable(f"{_full_name(kind)} has no `__eq__`, so that equal values can't be recognized")
    return _digest("made ", _parts_of_object(value))


def _parts_of_object(value: Any) -> Iterable[bytes]:
    """Describe a value by what `copy` would use; see `object.__reduce__`."""
    kind = type(value)
    reduce = copyreg.dispatch_table.get(kind)
    reduced: Any = reduce(value) if reduce else value.__reduce_ex__(_PROTOCOL)
    if isinstance(reduced, str):  # a singleton, by its name
        yield f"{value.__module__}.{reduced}".encode()
        return
    make, arguments, *rest = reduced
    state, items, pairs = [*rest, None, None, None][:3]
    yield from map(_digest_of, (make, arguments, state, list(items or ()), list(pairs or ())))
    if isinstance(value, dt.datetime | dt.time):  # pandas leaves the fold out
        yield b"fold" * value.fold


def _is_equal_to_a_copy(value: Any) -> bool:
    """Return whether a copy may replace a value. An object without `__eq__` is only equal to itself."""
    kind: Any = type(value)
    return (
        kind.__eq__ is not object.__eq__
        or isinstance(value, Enum | dt.tzinfo)
        or dataclasses.is_dataclass(value)
        or inspect.isroutine(value)
        or kind.__module__.partition(".")[0] in _LIBRARIES
    )


def _unique_name(named: Any) -> str:
    """Return the module and name of a class or function, if it is found by them.

    Raises:
        _NotKeyable: It is not.
    """
    if _find_by_name(named) is not named:
        raise _NotKeyable(
            f"{_full_name(named)} can't be found by its name. Define it at the top level of a module"
        )
    module = _module_of(named)
    if not module:
        raise _NotKeyable(
            f"{_full_name(named)} was defined in a session without a file, so its name may not be unique"
        )
    return f"{module}.{named.__qualname__}"


def _find_by_name(named: Any) -> Any:
    """Return what the module and name of a class or function lead to, or None."""
    try:
        return functools.reduce(getattr, named.__qualname__.split("."), sys.modules.get(named.__module__))
    except AttributeError:
        return None


def _full_name(named: Any) -> str:
    return f"{named.__module__}.{named.__qualname__}"


def _parts_of_list(values: Iterable[Any]) -> Iterable[bytes]:
    return map(_digest_of, values)


def _parts_of_set(values: Iterable[Any]) -> Iterable[bytes]:
    return sorted(map(_digest_of, values))


def _parts_of_dict(values: dict[Any, Any]) -> Iterable[bytes]:
    for key, value in values.items():
        yield _digest_of(key)
        yield _digest_of(value)


# The parts that are hashed of each of these types. Subclasses are described by what `copy` would use.
_PARTS: dict[type, Callable[[Any], Iterable[bytes]]] = {
    type(None): lambda _: (),
    bool: lambda value: [b"%d" % value],
    int: lambda value: [hex(value).encode()],
    float: lambda value: [value.hex().encode()],
    str: lambda value: [value.encode()],
    bytes: lambda value: [value],
    list: _parts_of_list,
    tuple: _parts_of_list,
    set: _parts_of_set,
    frozenset: _parts_of_set,
    dict: _parts_of_dict,
}
