"""The rule for pydantic's models, and reading a value as a type.

pydantic is always installed, as db-core's settings need it. This module is imported when it is first needed,
as loading pydantic takes longer than loading everything else.
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
from db_redis._plain import format_path

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from db_redis._values import Nan, Rule

__all__ = ["RULES", "adapter_of", "decode_as"]

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_OFFSET_WITH_SECONDS = re.compile(r"[+-][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$")
_MOST_PATHS = 4  # in one message


def _model(model: Any, _nan: Nan) -> object:
    """Dump by alias, as models are read by alias, and each part by its own type, not by the declared one."""
    return model.model_dump(by_alias=True, polymorphic_serialization=True)


RULES: dict[str, Rule] = {"BaseModel": _model}


def decode_as(text: bytes, kind: Any) -> Any:
    """Read a JSON text as a type, strictly: a text is not a number, but an ISO 8601 text is a datetime.

    Raises:
        InvalidArgumentError: `kind` is not a type that can be read.
        SerializationError: The text is not JSON, or not of that type. `path` leads to the part.
    """
    adapter = adapter_of(kind)
    try:
        value = decode(text)  # pydantic accepts more than JSON: NaN, and integers of any length
    except SerializationError as error:
        raise SerializationError(f"$ is no {_name(kind)}: {error}", path="$") from None
    instance, faults = _validate(adapter, text)
    if faults and (rewritten := _rewrite_faults(value, faults)) is not None:
        instance, faults = _validate(adapter, rewritten)
    if not faults:
        return instance
    # pydantic's error is not chained, as it quotes the stored value, which may be a secret.
    paths = list(dict.fromkeys(format_path(_path_to(value, fault)) for fault in faults))
    also = f"; also {', '.join(paths[1:_MOST_PATHS])}" if len(paths) > 1 else ""
    more = f" and {len(paths) - _MOST_PATHS} more" if len(paths) > _MOST_PATHS else ""
    raise SerializationError(
        f"{paths[0]} is no {_name(kind)}: {_reason(faults[0])}{also}{more}", path=paths[0]
    )


def _validate(adapter: TypeAdapter[Any], text: bytes | str) -> tuple[Any, list[ErrorDetails]]:
    try:
        return adapter.validate_json(text, strict=True), []
    except ValidationError as error:
        return None, error.errors(include_input=False, include_url=False)


def _rewrite_faults(value: Any, faults: list[ErrorDetails]) -> str | None:
    """Return JSON in which the faulty texts are rewritten for pydantic; None if it reads none of them.

    pydantic reads NaN and the infinities as JSON's extended numbers only, and no offset with seconds.
    """
    root: list[Any] = [value]
    has_changed = False
    for fault in faults:
        place: Any = root
        *path, last = 0, *_path_to(value, fault)
        for key in path:
            place = place[key]
        rewritten = (
            _rewrite_text(place[last], fault["type"]) if not fault["type"].startswith("missing") else None
        )
        if rewritten is not None:
            place[last] = rewritten
            has_changed = True
    return json.dumps(root[0]) if has_changed else None


def _rewrite_text(found: object, fault: str) -> object:
    if not isinstance(found, str):
        return None
    if fault == "float_type":
        return _NOT_FINITE.get(found)
    if fault.startswith("datetime") and _OFFSET_WITH_SECONDS.search(found):
        with suppress(ValueError, OverflowError):
            return dt.datetime.fromisoformat(found).astimezone(dt.UTC).isoformat()
    return None


def _path_to(value: Any, fault: ErrorDetails) -> list[str | int]:
    """Return the path to a fault. pydantic's path also holds the members of unions, which are left out."""
    path: list[str | int] = []
    for key in fault["loc"]:
        here = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        if key in here:
            value = value[key]
            path.append(key)
        elif fault["type"].startswith("missing") and key == fault["loc"][-1]:
            path.append(key)
    return path


def _reason(fault: ErrorDetails) -> str:
    if fault["type"] == "union_tag_invalid":  # pydantic's text quotes the tag
        return f"its tag is none of {fault['ctx']['expected_tags']}"
    return _one_line(fault["msg"])


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Return the adapter that reads a type. It is made once for each type.

    Raises:
        InvalidArgumentError: `kind` is not a type that can be read.
    """
    try:
        return _adapter(kind)
    except Exception as error:  # pydantic raises many types of errors, and so may annotations
        kinds = "a dataclass, a pydantic model or another type that pydantic reads"
        raise InvalidArgumentError(f"`type` must be {kinds}: {_one_line(error)}", argument="type") from error


@lru_cache(maxsize=256)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    adapter = TypeAdapter(kind)
    adapter.rebuild(raise_errors=True)  # else an undefined name would be an error of the first value
    return adapter


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)
