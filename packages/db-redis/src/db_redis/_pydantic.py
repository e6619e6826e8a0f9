"""The rule for pydantic's models, and reading a value back as a type; imported when first needed.

pydantic comes with db-core's settings, so it is always there; loading it takes longer than all else.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from db_core.errors import InvalidArgumentError, SerializationError
from db_redis._codec import decode
from db_redis._plain import path_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from db_redis._values import Nan, Rule

__all__ = ["RULES", "adapter_of", "decode_as"]

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SECONDS = re.compile(r"[+-][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$")  # in an offset
_MOST_PATHS = 4  # in one text


def _model(model: Any, _nan: Nan) -> object:
    """By alias, as that is what a model is read by; its parts as what they are, not as what was declared."""
    return model.model_dump(by_alias=True, polymorphic_serialization=True)


RULES: dict[str, Rule] = {"BaseModel": _model}


def decode_as(text: bytes, kind: Any) -> Any:
    """Read a JSON text as a type, strictly: a text is no number, but an ISO 8601 text is a datetime.

    Raises:
        InvalidArgumentError: `kind` is no type that can be read.
        SerializationError: The text is not JSON, or is not of that type; `path` leads to the part.
    """
    adapter = adapter_of(kind)
    try:
        value = decode(text)  # pydantic reads more than JSON: NaN, and any number of digits
    except SerializationError as error:
        raise SerializationError(f"$ is no {_name(kind)}: {error}", path="$") from None
    made, faults = _made(adapter, text)
    if faults and (respelt := _respelt(value, faults)) is not None:
        made, faults = _made(adapter, respelt)
    if not faults:
        return made
    # The cause quotes what is stored, which may be a secret, so it is not chained.
    paths = list(dict.fromkeys(path_of(_way(value, fault)) for fault in faults))
    also = f"; also {', '.join(paths[1:_MOST_PATHS])}" if len(paths) > 1 else ""
    more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
    raise SerializationError(
        f"{paths[0]} is no {_name(kind)}: {_reason(faults[0])}{also}{more}", path=paths[0]
    )


def _made(adapter: TypeAdapter[Any], text: bytes | str) -> tuple[Any, list[ErrorDetails]]:
    try:
        return adapter.validate_json(text, strict=True), []
    except ValidationError as error:
        return None, error.errors(include_input=False, include_url=False)


def _respelt(value: Any, faults: list[ErrorDetails]) -> str | None:
    """Return JSON in which pydantic can read what stood where it found faults; None if there is nothing.

    As it knows NaN and the infinities as numbers alone, and no offset with seconds.
    """
    root: list[Any] = [value]
    is_other = False
    for fault in faults:
        place: Any = root
        *way, last = 0, *_way(value, fault)
        for step in way:
            place = place[step]
        respelt = _respell(place[last], fault["type"]) if not fault["type"].startswith("missing") else None
        if respelt is not None:
            place[last] = respelt
            is_other = True
    return json.dumps(root[0]) if is_other else None


def _respell(found: object, fault: str) -> object:
    if not isinstance(found, str):
        return None
    if fault == "float_type":
        return _NOT_FINITE.get(found)
    if fault.startswith("datetime") and _SECONDS.search(found):
        with suppress(ValueError, OverflowError):
            return dt.datetime.fromisoformat(found).astimezone(dt.UTC).isoformat()
    return None


def _way(value: Any, fault: ErrorDetails) -> list[str | int]:
    """Give the steps to what is at fault; pydantic's have the members of unions between them."""
    way: list[str | int] = []
    for step in fault["loc"]:
        here = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        if step in here:
            value = value[step]
            way.append(step)
        elif fault["type"].startswith("missing") and step == fault["loc"][-1]:
            way.append(step)
    return way


def _reason(fault: ErrorDetails) -> str:
    if fault["type"] == "union_tag_invalid":  # pydantic's text quotes the tag
        return f"its tag is none of {fault['ctx']['expected_tags']}"
    return _line(fault["msg"])


def _line(text: object) -> str:
    return " ".join(str(text).split())


def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Give what reads a type; made once for each.

    Raises:
        InvalidArgumentError: It is no type that can be read.
    """
    try:
        return _adapter(kind)
    except Exception as error:  # pydantic raises many kinds, and so may the annotations of a type
        kinds = "a dataclass, a pydantic model or another type that pydantic reads"
        raise InvalidArgumentError(f"`type` must be {kinds}: {_line(error)}", argument="type") from error


@lru_cache(maxsize=256)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    adapter = TypeAdapter(kind)
    adapter.rebuild(raise_errors=True)  # else a name that is not defined is told at the first value
    return adapter


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)
