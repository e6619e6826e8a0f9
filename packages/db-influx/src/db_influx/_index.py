"""The index of a pandas frame that is written: which of its levels is the time, and which are tags.

| index level | without `time_column` | beside a `time_column` |
| --- | --- | --- |
| times | the last level must be the time | an error, unless `time_column` names it |
| strings, with a name | a tag | a tag |
| any other type, with a name | a tag, if integers or booleans | an error, unless `tag_columns` names it |
| row numbers: the only or last level, integers without a name | an error | left out |
| anything else without a name | an error | an error |

Categories count as what they are categories of. A level of nulls counts as strings, and without a name as row
numbers: an empty frame has such an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db_core.errors import InvalidArgumentError
from db_influx._arguments import invalid

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

__all__ = ["beside_time_column", "times_and_tags"]


def times_and_tags(frame: pd.DataFrame) -> tuple[str, list[str]]:
    """Return the name of the index level of times, and those of the levels before it, which are tags."""
    import pandas as pd

    index = frame.index
    times = index.get_level_values(-1) if index.nlevels > 1 else index
    if not isinstance(times, pd.DatetimeIndex):
        index_type = f"{type(times).__name__} of {times.dtype}"
        raise invalid("data", f"must have a DatetimeIndex (or a `time_column`), not a {index_type}")
    names: list[Any] = list(index.names)
    *levels, last = names
    if any(level is None for level in levels):
        raise invalid("data", "must have a name, the tag key, for each index level before the time")
    return "time" if last is None else last, levels


def beside_time_column(
    frame: pd.DataFrame, time_column: str, tag_columns: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the frame without row numbers in its index, and the names of the index levels that are tags."""
    import pandas as pd

    index = frame.index
    levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
    tags: list[Any] = []
    for place, (name, level) in enumerate(zip(index.names, levels, strict=True)):
        kind = _kind(level)
        is_last = place == index.nlevels - 1
        if _name(name, level) == time_column and time_column not in frame.columns:
            continue
        if name is None and is_last and kind in ("row numbers", "empty"):
            frame = frame.reset_index(level=place, drop=True)
        elif name is not None and (name in tag_columns or kind in ("string", "empty")):
            tags.append(name)
        else:
            raise _refusal(name, place, level, kind, time_column)
    return frame, tags


def _name(name: Any, level: pd.Index) -> Any:
    """Return the name of the column that `Frame.of` makes of an index level."""
    import pandas as pd

    return "time" if name is None and isinstance(level, pd.DatetimeIndex) else name


def _kind(level: pd.Index) -> str:
    """Return the type of a level's values, in pandas' words; plain integers may be row numbers."""
    import pandas as pd

    if isinstance(level, pd.CategoricalIndex):
        return pd.api.types.infer_dtype(level.categories, skipna=True)
    kind = pd.api.types.infer_dtype(level, skipna=True)
    return "row numbers" if kind == "integer" else kind


def _refusal(name: Any, place: int, level: pd.Index, kind: str, time_column: str) -> InvalidArgumentError:
    """Return the error about an index level beside a `time_column` that is neither a tag nor row numbers."""
    import pandas as pd

    label = f"level {place}" if name is None else f"level {name!r}"
    drop = f"drop it with `data.reset_index({place if name is None else name!r}, drop=True)`"
    if isinstance(level, pd.DatetimeIndex):
        message = (
            f"`time_column` names {time_column!r}, and index {label} of `data` holds times too. "
            f"Leave out `time_column` to write the times of the index, or {drop}"
        )
        return InvalidArgumentError(message, argument="time_column")
    if kind == "string":
        reason = (
            "holds strings and has no name. Name it with `data.rename_axis`, as its name becomes its tag key"
        )
    elif name is None:
        reason = f"holds {level.dtype} values and has no name. Name it and make it a column (`reset_index`)"
    else:
        reason = (
            f"holds {level.dtype} values; only levels of strings are tags by themselves. Add {name!r} to "
            f"`tag_columns`, make it a field with `data.reset_index({name!r})`"
        )
    return InvalidArgumentError(f"`data`: index {label} {reason}, or {drop}", argument="data")
