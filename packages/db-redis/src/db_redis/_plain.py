"""Any value as plain JSON values, part by part, with the path to what can't be one.

The slow way: orjson writes most values by itself. It is taken for a value that orjson
refuses, to find either what it needs (keys that are no text) or what is at fault.
"""

from __future__ import annotations

import builtins
import dataclasses
import datetime as dt
import math
from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson

from db_core.errors import SerializationError
from db_core.foreign import is_of_a_library, shown
from db_redis._values import Unportable, not_finite, rule_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from db_redis._values import Nan

__all__ = ["MAPPINGS", "is_dataclass", "is_finite_throughout", "parts", "path_of", "plain"]

MAPPINGS = (dict, getattr(builtins, "frozendict", dict))  # frozendict since CPython 3.15
_DEEPEST = 254  # levels that orjson writes
_Step = str | int


def plain(value: object, nan: Nan) -> Any:
    """Give `value` as dicts with text keys, lists and what orjson writes by itself.

    Args:
        value: Anything that has a JSON form or a rule.
        nan: What becomes of NaN and the infinities.

    Raises:
        SerializationError: Some part has no JSON form; `path` leads to the first, in the order of writing.
    """
    try:
        return _Walk(nan).plain(value, (), ())
    except RecursionError:  # the caller has used up the stack
        raise _unwritable((), "Recursion limit reached") from None


def is_dataclass(value: object) -> bool:
    """Say whether a value is an instance of a dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def parts(value: Any) -> Iterable[tuple[Any, object]]:
    """Give the parts of a mapping, list, tuple or dataclass, each with its key, place or field."""
    if isinstance(value, MAPPINGS):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]


def path_of(steps: Iterable[_Step]) -> str:
    """Write the way to a part, as in ``$.meters[3].power``."""
    return "$" + "".join(
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{orjson.dumps(step).decode()}]"
        for step in steps
    )


def _unwritable(steps: Iterable[_Step], reason: str) -> SerializationError:
    path = path_of(steps)
    return SerializationError(f"{path} can't be written as JSON: {reason}", path=path)


class _Walk:
    """One walk over one value."""

    def __init__(self, nan: Nan) -> None:
        self._nan = nan

    def plain(
        self, value: object, steps: tuple[_Step, ...], ancestors: tuple[tuple[object, int], ...]
    ) -> object:
        """Give one part as JSON values; `ancestors` are what it is in, and how many steps down they are."""
        while isinstance(value, Enum):
            value = value.value
        if isinstance(value, orjson.Fragment):
            return value
        if type(value) is float:
            if math.isfinite(value):
                return value
            return self._by_rule(not_finite, value, steps)
        if _is_container(value):
            _check_depth(value, steps, ancestors)
            return self._container(value, steps, (*ancestors, (value, len(steps))))
        rule = None if _is_writable(value) else rule_for(value)
        if rule is None:
            _check_writable(value, steps)
            return value
        _check_depth(value, steps, ancestors)
        return self.plain(self._by_rule(rule, value, steps), steps, (*ancestors, (value, len(steps))))

    def _by_rule(self, rule: Any, value: object, steps: tuple[_Step, ...]) -> object:
        try:
            return rule(value, self._nan)
        except Unportable as fault:
            raise _unwritable(steps, str(fault)) from None
        except RecursionError:
            raise
        except BaseException as error:  # of a library, or of the user's own serializer
            if not is_of_a_library(error):
                raise
            raise _unwritable(steps, f"{type(error).__name__}: {error}") from error

    def _container(
        self, value: Any, steps: tuple[_Step, ...], ancestors: tuple[tuple[object, int], ...]
    ) -> object:
        if isinstance(value, (list, tuple)):
            return [self.plain(part, (*steps, place), ancestors) for place, part in enumerate(value)]
        if is_dataclass(value):
            for field in dataclasses.fields(value):
                try:
                    has_value = hasattr(value, field.name)
                except Exception as error:  # of a descriptor
                    reason = f"its field {field.name} raised {type(error).__name__}: {error}"
                    raise _unwritable(steps, reason) from error
                if not has_value:
                    reason = f"{type(value).__name__} has no value for its field {field.name}"
                    raise _unwritable(steps, reason)
        written: dict[str, object] = {}
        for key, part in parts(value):
            text = self._key(key, steps)
            if text in written:
                raise _unwritable(steps, f"two of its keys become {text!r}")
            written[text] = self.plain(part, (*steps, text), ancestors)
        return written

    def _key(self, key: object, steps: tuple[_Step, ...]) -> str:
        """Give the text a key becomes: what its JSON form says, without the quotes."""
        if not (isinstance(key, str) and type(key) is str):
            if _is_container(key):
                raise _unwritable(steps, f"Dict key must be a text or a single value, not {shown(key)}")
            simple = self.plain(key, steps, ())
            if isinstance(simple, (list, dict, orjson.Fragment)):
                raise _unwritable(steps, f"Dict key must be a text or a single value, not {shown(key)}")
            written = orjson.dumps(simple)
            return str(orjson.loads(written)) if written.startswith(b'"') else written.decode()
        _check_writable(key, steps)
        return key


def _is_container(value: object) -> bool:
    # A tuple by another name has a rule.
    return isinstance(value, (list, *MAPPINGS)) or type(value) is tuple or is_dataclass(value)


def _check_depth(value: object, steps: tuple[_Step, ...], ancestors: tuple[tuple[object, int], ...]) -> None:
    for ancestor, depth in ancestors:
        if ancestor is value:
            raise _unwritable(steps, f"it is {path_of(steps[:depth])} again, without end")
    if len(ancestors) >= _DEEPEST:
        raise _unwritable((), f"nested deeper than {_DEEPEST} levels")


def _is_writable(value: object) -> bool:
    if isinstance(value, dt.datetime):  # orjson rounds the seconds of its offset
        return False
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def _check_writable(value: object, steps: tuple[_Step, ...]) -> None:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise _unwritable(steps, str(error)) from error


_NEITHER_FLOAT_NOR_CONTAINER = frozenset({str, int, bool, type(None)})


def is_finite_throughout(value: object) -> bool:
    """Look at every number in a value that orjson has written; ten times as fast as `plain`.

    What came by a rule is not looked at: its rule has.
    """
    found: list[Any] = [value]
    for part in found:  # grows on the way
        kind = type(part)
        if kind in _NEITHER_FLOAT_NOR_CONTAINER:
            continue
        if kind is float:
            if not math.isfinite(part):
                return False
        elif kind is dict:
            found.extend(part.values())
        elif kind is list:
            found.extend(part)
        elif isinstance(part, Enum):
            found.append(part.value)
        elif _is_container(part):
            found.extend(inner for _, inner in parts(part))
    return True
