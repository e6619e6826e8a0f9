"""Which times and tags a predicate of polars can be about, so that rows which it drops need not be read.

`Expr.meta.pop` returns the inputs of a predicate, but not its operation. So each known operation is made
again of the inputs, and compared with the predicate. An unknown operation is taken to accept any row. The
predicate is applied to the rows that are read, so a bound that is too wide only costs time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

from db_influx._times import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal

    import polars as pl

__all__ = ["Bounds", "bounds"]

_PER_UNIT = {"ns": 1, "us": 1_000, "ms": 1_000_000}  # nanoseconds
_CLOSED: Sequence[Literal["both", "left", "right", "none"]] = ("both", "left", "right", "none")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the rows that a predicate can keep.

    Attributes:
        first: No row has a time before this, in nanoseconds.
        last: No row has a time after this.
        tags: The values that tags can have; None stands for no value. Other tags can have any value.
    """

    first: int = EARLIEST
    last: int = LATEST
    tags: Mapping[str, frozenset[str | None]] = field(default_factory=dict)

    def __and__(self, other: Bounds) -> Bounds:
        tags = {**self.tags, **other.tags}
        tags |= {name: self.tags[name] & other.tags[name] for name in self.tags if name in other.tags}
        return Bounds(max(self.first, other.first), min(self.last, other.last), tags)

    def __or__(self, other: Bounds) -> Bounds:
        tags = {name: self.tags[name] | other.tags[name] for name in self.tags if name in other.tags}
        return Bounds(min(self.first, other.first), max(self.last, other.last), tags)

    @property
    def is_empty(self) -> bool:
        """Tell whether there can be no row."""
        return max(self.first, EARLIEST) > min(self.last, LATEST) or not all(self.tags.values())


def bounds(predicate: pl.Expr, tags: Sequence[str], tz: str) -> Bounds:
    """Return the bounds of a predicate on the frame of a partition.

    Args:
        predicate: What a row must fulfil.
        tags: The columns of tags.
        tz: Zone of the column of times. A literal of another zone or of none has no order among these.
    """
    import polars as pl

    if predicate.meta.is_literal() and not pl.select(predicate).to_series().any():  # as `is_in` of nothing
        return Bounds(first=LATEST, last=EARLIEST)
    inputs = predicate.meta.pop()[::-1]
    if len(inputs) == 2:  # noqa: PLR2004 - of an operation
        one, other = inputs
        if _same(predicate, one & other):
            return bounds(one, tags, tz) & bounds(other, tags, tz)
        if _same(predicate, one | other):
            return bounds(one, tags, tz) | bounds(other, tags, tz)
    found = [*_of_time(predicate, inputs, tz), *_of_tags(predicate, inputs, tags)]
    return reduce(Bounds.__and__, found, Bounds())


def _of_time(predicate: pl.Expr, inputs: Sequence[pl.Expr], tz: str) -> Iterator[Bounds]:
    """Yield the bounds of a comparison of the time with literals."""
    slack = [_slack(one, tz) for one in inputs]
    if len(inputs) == 2:  # noqa: PLR2004
        for column, literal in ((0, 1), (1, 0)):
            wide, value = slack[column], _instant(inputs[literal], tz)
            if wide is None or value is None:
                continue
            time, other = inputs[column], inputs[literal]
            # Either may stand first. Bounds are included, which is too wide by a nanosecond for some.
            if _same(predicate, *_both(time, other, "__ge__"), *_both(time, other, "__gt__")):
                yield Bounds(first=value - wide)
            elif _same(predicate, *_both(time, other, "__le__"), *_both(time, other, "__lt__")):
                yield Bounds(last=value + wide)
            elif _same(
                predicate, time == other, other == time, time.eq_missing(other), other.eq_missing(time)
            ):
                yield Bounds(value - wide, value + wide)
    elif len(inputs) == 3 and slack[0] is not None:  # noqa: PLR2004
        low, high = (_instant(one, tz) for one in inputs[1:])
        between = [inputs[0].is_between(inputs[1], inputs[2], closed=closed) for closed in _CLOSED]
        if low is not None and high is not None and _same(predicate, *between):
            yield Bounds(low - slack[0], high + slack[0])


def _of_tags(predicate: pl.Expr, inputs: Sequence[pl.Expr], tags: Sequence[str]) -> Iterator[Bounds]:
    """Yield the bounds of a condition on a tag."""
    names = [_tag(one, tags) for one in inputs]
    if len(inputs) == 1 and names[0] is not None and _same(predicate, inputs[0].is_null()):
        yield Bounds(tags={names[0]: frozenset([None])})
    if len(inputs) != 2:  # noqa: PLR2004
        return
    for column, literal in ((0, 1), (1, 0)):
        name, values = names[column], _texts(inputs[literal])
        if name is None or values is None:
            continue
        tag, other = inputs[column], inputs[literal]
        listed = [tag.is_in(other, nulls_equal=nulls_equal) for nulls_equal in (True, False)]
        if _same(predicate, *_equal(tag, other), *listed):
            yield Bounds(tags={name: values})


def _same(one: pl.Expr, *others: pl.Expr) -> bool:
    return any(one.meta.eq(other) for other in others)


def _equal(one: pl.Expr, other: pl.Expr) -> tuple[pl.Expr, ...]:
    return one == other, other == one, one.eq_missing(other), other.eq_missing(one)


def _both(time: pl.Expr, literal: pl.Expr, name: str) -> tuple[pl.Expr, pl.Expr]:
    """Return a comparison written from either side."""
    mirrored = {"__ge__": "__le__", "__gt__": "__lt__", "__le__": "__ge__", "__lt__": "__gt__"}
    return getattr(time, name)(literal), getattr(literal, mirrored[name])(time)


def _slack(expression: pl.Expr, tz: str) -> int | None:
    """Return how many nanoseconds the column of times may lie from an expression of it; None of any other."""
    import polars as pl

    time = pl.col("time")
    if _same(expression, time):
        return 0
    units: tuple[Literal["us", "ms"], ...] = ("us", "ms")
    for unit in units:
        kind = pl.Datetime(unit, tz)
        if _same(expression, time.cast(kind), time.cast(kind, strict=False), time.dt.cast_time_unit(unit)):
            return _PER_UNIT[unit]
    return None


def _tag(expression: pl.Expr, tags: Sequence[str]) -> str | None:
    """Return the tag that an expression is, as it is or as text."""
    import polars as pl

    for name in expression.meta.root_names():
        tag = pl.col(name)
        if name in tags and _same(expression, tag, tag.cast(pl.String), tag.cast(pl.String, strict=False)):
            return name
    return None


def _is_constant(expression: pl.Expr) -> bool:
    """Tell whether an expression is of literals alone."""
    inputs = expression.meta.pop()
    return expression.meta.is_literal() or (bool(inputs) and all(map(_is_constant, inputs)))


def _instant(expression: pl.Expr, tz: str) -> int | None:
    """Return the nanoseconds of a literal of a time in this zone; None of any other expression."""
    import polars as pl

    if not _is_constant(expression):
        return None
    values = pl.select(expression).to_series()
    kind: Any = values.dtype
    if not isinstance(kind, pl.Datetime) or kind.time_zone != tz or len(values) != 1 or values.has_nulls():
        return None
    nanoseconds: int = values.to_physical()[0] * _PER_UNIT[kind.time_unit]
    return nanoseconds


def _texts(expression: pl.Expr) -> frozenset[str | None] | None:
    """Return the texts of a literal, which may be a list; None of any other expression."""
    import polars as pl

    if not _is_constant(expression):
        return None
    values = pl.select(expression).to_series()
    if isinstance(values.dtype, pl.List):
        values = values.explode(empty_as_null=False, keep_nulls=False)
    if not isinstance(values.dtype, pl.String | pl.Categorical | pl.Enum):
        return None
    return frozenset(values.cast(pl.String).to_list())
