"""What `agg_func` asks for: the columns of a downsampled read, and the function that each holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from db_influx._field_types import FieldTypes

__all__ = ["AggFunc", "Aggregate", "aggregates", "check_types"]

_One: TypeAlias = "str | tuple[str, float]"
AggFunc: TypeAlias = "_One | Sequence[_One] | Mapping[str, _One | Sequence[_One]]"

FUNCTIONS = (
    "count",
    "first",
    "last",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "skew",
    "spread",
    "stddev",
    "sum",
)
# Of text and booleans there are these only.
_OF_ALL = ("count", "first", "last", "mode")
_NUMBERS = ("float", "integer", "unsigned")
_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d{1,9})?)")
_MOST_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A column of a downsampled read.

    Attributes:
        column: Name of the column.
        field: Name of the field.
        label: The function as it was asked for, such as "mean" or "p95".
        function: One of `FUNCTIONS` but "median", or "quantile".
        share: Of a quantile, from 0 to 1.
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
            told = f"names {unknown[0]!r}, which is none of them" if unknown else f"lacks {missing[0]!r}"
            _refuse(f"`agg_func` must name a function for each of the fields {', '.join(fields)}; it {told}")
        wanted = {field: agg_func[field] for field in fields}
    else:
        wanted = dict.fromkeys(fields, agg_func)
    found = [aggregate for field, functions in wanted.items() for aggregate in _of_field(field, functions)]
    names = [aggregate.column for aggregate in found]
    if twice := [name for name in names if names.count(name) > 1]:
        _refuse(f"`agg_func` asks for two columns named {twice[0]!r}; name each function once, or read apart")
    return tuple(found)


def check_types(
    wanted: Sequence[Aggregate], types: FieldTypes | None, measurement: str, argument: str = "agg_func"
) -> None:
    """Refuse functions that a field's type has not; `argument` is what they came from.

    Raises:
        InvalidArgumentError: Names the field, its type, and the functions that work.
    """
    for one in wanted:
        held = (types or {}).get(one.field, ())
        other = [kind for kind in held if kind not in _NUMBERS]
        if other and one.function not in _OF_ALL:
            advice = f"; use {', '.join(_OF_ALL[:-1])} or {_OF_ALL[-1]}, or interval=None for all points"
            message = (
                f"`{argument}`: {one.label!r} needs numbers, and field {one.field!r} of {measurement!r} is "
                f"{other[0]}{advice if argument == 'agg_func' else ''}"
            )
            raise InvalidArgumentError(message, argument=argument)


def _of_field(field: str, functions: Any) -> list[Aggregate]:
    if isinstance(functions, list) or (isinstance(functions, tuple) and not _is_quantile(functions)):
        if not functions:
            _refuse("`agg_func` must be a function or a list of functions, not an empty list")
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
        if value in FUNCTIONS:
            return value, value, 0.0
        found = _PERCENTILE.fullmatch(value)
        if found and Decimal(found[1]) <= _MOST_PERCENT:
            return value, "quantile", float(Decimal(found[1]) / _MOST_PERCENT)
    elif isinstance(value, tuple) and _is_quantile(value):
        share = value[1]
        # A numpy timedelta64 calls itself an integer.
        is_number = isinstance(share, Real) and not isinstance(share, bool)
        if is_number and type(share).__name__ != "timedelta64" and 0 <= float(share) <= 1:
            percent = f"{Decimal(str(float(share))) * _MOST_PERCENT:f}"
            percent = percent.rstrip("0").rstrip(".") if "." in percent else percent
            return f"p{percent}", "quantile", float(share)
        _refuse(f"`agg_func`: the share of a quantile must be a number from 0 to 1, not {share!r}")
    choices = ", ".join(FUNCTIONS)
    message = (
        f"`agg_func` must be one of {choices}, 'p95' or such, ('quantile', 0.95), a list of these, "
        f"or a mapping from fields to these, not {value!r}"
    )
    raise InvalidArgumentError(message, argument="agg_func")


def _refuse(message: str) -> NoReturn:
    raise InvalidArgumentError(message, argument="agg_func")
