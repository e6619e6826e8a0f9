"""The rule for pydantic's models, and reading a value back as a type; imported when first needed.

pydantic comes with db-core's settings, so it is always there; loading it takes longer than all else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from db_core.errors import InvalidArgumentError, SerializationError
from db_redis._codec import decode
from db_redis._plain import path_of

if TYPE_CHECKING:
    from db_redis._values import Nan, Rule

__all__ = ["RULES", "decode_as"]


def _model(model: Any, _nan: Nan) -> object:
    """By alias, as that is what a model is read by."""
    return model.model_dump(by_alias=True)


RULES: dict[str, Rule] = {"BaseModel": _model}


def decode_as(text: bytes, kind: Any) -> Any:
    """Read a JSON text as a type, strictly: a text is no number, but an ISO 8601 text is a datetime.

    Raises:
        InvalidArgumentError: `kind` is no type that can be read.
        SerializationError: The text is not JSON, or is not of that type; `path` leads to the part.
    """
    adapter = adapter_of(kind)
    try:
        decode(text)  # pydantic reads more than JSON: NaN, and any number of digits
    except SerializationError as error:
        raise SerializationError(f"$ is no {_name(kind)}: {error}", path="$") from None
    try:
        return adapter.validate_json(text, strict=True)
    except ValidationError as error:
        [first, *others] = error.errors(include_input=False, include_url=False, include_context=False)
        path = path_of(first["loc"])
        more = f", and {len(others)} more" if others else ""
        reason = f"{path} is no {_name(kind)}: {first['msg']}{more}"
    # The cause quotes what is stored, which may be a secret, so it is not chained.
    raise SerializationError(reason, path=path)


def adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Give what reads a type; made once for each.

    Raises:
        InvalidArgumentError: It is no type that can be read.
    """
    try:
        return _adapter(kind)
    except Exception as error:  # pydantic raises many kinds, and so may the annotations of a type
        raise InvalidArgumentError(
            f"`type` must be a dataclass, a pydantic model or another type that pydantic reads: {error}",
            argument="type",
        ) from error


@lru_cache(maxsize=256)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    adapter = TypeAdapter(kind)
    adapter.rebuild(raise_errors=True)  # else a name that is not defined is told at the first value
    return adapter


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)
