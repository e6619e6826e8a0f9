"""The columns of a downsampled read, each with its function, from the argument `agg_func`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from db_core.errors import InvalidArgumentError
from db_influx._arguments import invalid, plain_number

if TYPE_CHECKING:
    from db_influx._field_types import FieldTypes

__all__ = ["AggFunc", "Aggregate", "aggregates", "check_types"]

_One: TypeAlias = "str | tuple[str, float]"
AggFunc: TypeAlias = "_One | Sequence[_One] | Mapping[str, _One | Sequence[_One]]"

_OF_ALL_TYPES = ("count", "first", "last", "mode")
_OF_NUMBERS = ("max", "mean", "median", "min", "skew", "spread", "stddev", "sum")
_FUNCTIONS = sorted(_OF_ALL_TYPES + _OF_NUMBERS)
_NUMBERS = ("float", "integer", "unsigned")
_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d{1,9})?)")
_MOST_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A column of a downsampled read.

    Attributes:
        column: Name of the column.
        field: Name of the field.
        label: The function as the caller wrote it, such as "mean" or "p95".
        function: A function of `agg_func`; "quantile" for a median too.
        share: The share of a quantile, from 0 to 1.
    """

    column: str
    field: str
    label: str
    function: str
    share: float = 0.0


def aggregates(agg_func: object, fields: Sequence[str]) -> tuple[Aggregate, ...]:
    """Return the columns that `agg_func` asks for, by field and then by function.

    Args:
        agg_func: A function, a list of functions, or a mapping from each field to one of these. A function is
            a name, "p95" or such, or ("quantile", share).
        fields: The fields that are read.

    Raises:
        InvalidArgumentError: `agg_func` is none of these.
    """
    if isinstance(agg_func, Mapping):
        unknown = [field for field in agg_func if field not in fields]
        missing = [field for field in fields if field not in agg_func]
        if unknown or missing:
            fault = f"{unknown[0]!r} is not a field of the read" if unknown else f"{missing[0]!r} is missing"
            raise invalid("agg_func", f"must map each of {', '.join(fields)} to a function, but {fault}")
    columns: list[Aggregate] = []
    for field in fields:
        columns += _of_field(field, agg_func[field] if isinstance(agg_func, Mapping) else agg_func)
    names = [column.column for column in columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise invalid("agg_func", f"must not make two columns named {twice[0]!r}. Name each function once")
    return tuple(columns)


def check_types(
    columns: Sequence[Aggregate], types: FieldTypes | None, measurement: str, argument: str = "agg_func"
) -> None:
    """Check that the type of each field has the function; `argument` is the one that chose the functions.

    Raises:
        InvalidArgumentError: A function needs numbers; names the field, its type, and functions that work.
    """
    for column in columns:
        others = [kind for kind in (types or {}).get(column.field, ()) if kind not in _NUMBERS]
        if others and column.function not in _OF_ALL_TYPES:
            advice = ". Use count, first, last or mode, or interval=None for all points"
            message = (
                f"`{argument}`: {column.label!r} needs numbers, and field {column.field!r} of "
                f"{measurement!r} is {others[0]}{advice if argument == 'agg_func' else ''}"
            )
            raise InvalidArgumentError(message, argument=argument)


def _of_field(field: str, functions: Any) -> list[Aggregate]:
    if isinstance(functions, list) or (isinstance(functions, tuple) and not _is_quantile(functions)):
        if not functions:
            raise invalid("agg_func", "must be a function or a list of functions, not an empty list")
        parsed = [_function(one) for one in functions]
        return [Aggregate(f"{field}_{label}", field, label, name, share) for label, name, share in parsed]
    label, name, share = _function(functions)
    return [Aggregate(field, field, label, name, share)]


def _is_quantile(value: tuple[Any, ...]) -> bool:
    return len(value) == 2 and value[0] == "quantile" and not isinstance(value[1], str)  # noqa: PLR2004 - a pair


def _function(value: object) -> tuple[str, str, float]:
    """Return label, function and share of one function."""
    if isinstance(value, str):
        if value == "median":
            return value, "quantile", 0.5
        if value in _FUNCTIONS:
            return value, value, 0.0
        percentile = _PERCENTILE.fullmatch(value)
        if percentile and Decimal(percentile[1]) <= _MOST_PERCENT:
            return value, "quantile", float(Decimal(percentile[1]) / _MOST_PERCENT)
    elif isinstance(value, tuple) and _is_quantile(value):
        share = plain_number(value[1])
        if share is not None and 0 <= share <= 1:
            percent = f"{Decimal(str(float(share))) * _MOST_PERCENT:f}"
            percent = percent.rstrip("0").rstrip(".") if "." in percent else percent
            return f"p{percent}", "quantile", float(share)
        raise invalid(
            "agg_func", f"must have a number from 0 to 1 as the share of a quantile, not {value[1]!r}"
        )
    raise invalid(
        "agg_func",
        f"must be one of {', '.join(_FUNCTIONS)}, a percentile such as 'p95', ('quantile', 0.95), a list of "
        f"these, or a mapping from fields to these, not {value!r}",
    )
