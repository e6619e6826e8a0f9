"""Parameters of a Flux query: checked values, sent as a Flux AST, so that none becomes query text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from numbers import Integral
from typing import Any, TypeAlias

from db_core.errors import InvalidArgumentError
from db_influx import _times
from db_influx._arguments import invalid, text
from db_influx._flux import Query

__all__ = ["bind"]

_Node: TypeAlias = "dict[str, Any]"


def bind(flux: object, params: object) -> Query:
    """Return a query whose ``params.name`` are bound to values, which never become query text.

    The server takes them as a Flux AST file that sets ``option params``.
    """
    if not isinstance(flux, str) or not flux.strip():
        raise invalid("flux", f"must be the text of a query, not {flux!r}")
    flux = text(flux, "flux")
    if params is None:
        return Query(flux)
    if not isinstance(params, Mapping):
        raise invalid("params", f"must map names to values, not {params!r}")
    try:
        values = _object(params, "params")
    except InvalidArgumentError as error:
        error.argument = "params"  # the text says which part
        raise
    assignment = {"type": "VariableAssignment", "id": _identifier("params"), "init": values}
    body = [{"type": "OptionStatement", "assignment": assignment}]
    return Query(flux, json.dumps({"type": "File", "package": None, "imports": None, "body": body}))


def _object(values: Mapping[Any, Any], path: str) -> _Node:
    properties = []
    for key, value in values.items():
        name = {"type": "StringLiteral", "value": text(key, path)}
        properties.append({"type": "Property", "key": name, "value": _literal(value, f"{path}[{key!r}]")})
    return {"type": "ObjectExpression", "properties": properties}


def _literal(value: object, path: str) -> _Node:  # noqa: PLR0911 - one for each type
    """Return the Flux AST of a value; `path` is its place in the parameters."""
    if isinstance(value, bool):
        return {"type": "BooleanLiteral", "value": value}
    if isinstance(value, Integral) and -(2**63) <= int(value) < 2**63:
        value = int(value)
        if value == -(2**63):  # whose absolute value is no integer of the server's
            return _call("int", str(value))
        return _signed({"type": "IntegerLiteral", "value": str(abs(value))}, negative=value < 0)
    if isinstance(value, float) and math.isfinite(value):
        # As text, since the server's JSON parser misses one number of ten by a bit.
        return _call("float", repr(float(value)))
    if isinstance(value, str):
        return {"type": "StringLiteral", "value": text(value, path) if value else value}
    if isinstance(value, datetime):
        return {"type": "DateTimeLiteral", "value": _times.time_literal(_times.instant(value, path, 0))}
    if isinstance(value, timedelta):
        nanos = _times.nanoseconds(value)
        length = {"type": "DurationLiteral", "values": [{"magnitude": abs(nanos), "unit": "ns"}]}
        return _signed(length, negative=nanos < 0)
    if isinstance(value, Mapping):
        return _object(value, path)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        elements = [_literal(element, f"{path}[{index}]") for index, element in enumerate(value)]
        return {"type": "ArrayExpression", "elements": elements}
    message = (
        f"`{path}` must be a bool, a 64-bit int, a finite float, text, a datetime, a timedelta, "
        f"or a list or mapping of these, not {value!r}"
    )
    raise InvalidArgumentError(message, argument="params")


def _call(function: str, argument: str) -> _Node:
    """Return the Flux AST of a conversion from text."""
    literal = {"type": "StringLiteral", "value": argument}
    named = {"type": "Property", "key": _identifier("v"), "value": literal}
    arguments = [{"type": "ObjectExpression", "properties": [named]}]
    return {"type": "CallExpression", "callee": _identifier(function), "arguments": arguments}


def _identifier(name: str) -> _Node:
    return {"type": "Identifier", "name": name}


def _signed(literal: _Node, *, negative: bool) -> _Node:
    return {"type": "UnaryExpression", "operator": "-", "argument": literal} if negative else literal
