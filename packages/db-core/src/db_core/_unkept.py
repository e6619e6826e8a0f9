"""The message about a pandas column that a frame can't keep: what it holds, and what to convert it to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from db_core.foreign import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["odd_values", "refusal"]

_LONGEST = 80  # letters of a value in a message

_TEXT_OR_COLUMNS = "text, such as JSON, or to columns of their own"

# What values of a type can be converted to; all others to text.
_INSTEAD = {
    "complex": "two columns of floats, the real and the imaginary parts",
    "datetime.date": "text or to a timestamp column",
    "datetime.datetime": "a timestamp column, with `pandas.to_datetime`",
    "datetime.timedelta": "a number of seconds",
    "decimal.Decimal": "floats, integers or text",
    "dict": _TEXT_OR_COLUMNS,
    "frozenset": _TEXT_OR_COLUMNS,
    "list": _TEXT_OR_COLUMNS,
    "numpy.complex128": "two columns of floats, the real and the imaginary parts",
    "numpy.complex64": "two columns of floats, the real and the imaginary parts",
    "numpy.datetime64": "a timestamp column, with `pandas.to_datetime`",
    "numpy.ndarray": _TEXT_OR_COLUMNS,
    "numpy.timedelta64": "a number of seconds, with `.dt.total_seconds()`",
    "pandas.Interval": "text, or to two columns, the left and the right ends",
    "pandas.Period": "text or to a timestamp column",
    "pandas.Timedelta": "a number of seconds, with `.dt.total_seconds()`",
    "pandas.Timestamp": "a timestamp column, with `pandas.to_datetime`",
    "set": _TEXT_OR_COLUMNS,
    "tuple": _TEXT_OR_COLUMNS,
}


def refusal(name: str, series: pd.Series[Any]) -> str:
    """Return the message about a column that can't be kept: what it holds, and what to convert it to."""
    types = [series.dtype.type] if series.dtype != object else series[series.notna()].map(type).unique()
    labels = sorted(map(_label, types))
    held = f"Column {name!r} holds {' and '.join(f'`{label}`' for label in labels)} values"
    if len(labels) == 1:
        return f"{held}. Convert them to {_INSTEAD.get(labels[0], 'text')} first."
    odd = next(odd_values(series), None)  # none where they are numpy's and Python's own
    where = "" if odd is None else f" Row {odd[0]} has {odd[1]}."
    return f"{held}, and a column holds values of one type.{where} Convert all of them to one type first."


def odd_values(series: pd.Series[Any]) -> Iterator[tuple[int, str, str]]:
    """Yield row, value and the type of most values, for each value of another type than most of a column."""
    values = series.to_numpy(dtype=object)
    kinds = [
        None if missing else _common(type(value))
        for value, missing in zip(values, series.isna(), strict=True)
    ]
    counts = Counter(kind for kind in kinds if kind is not None)
    for most, _ in counts.most_common(1):
        for row, (value, kind) in enumerate(zip(values, kinds, strict=True)):
            if kind not in (None, most):
                yield row, f"`{_label(type(value))}` {_short(shown(value))}", f"`{most}`"


def _common(kind: type) -> str:
    """Return a type's name, which numpy's numbers share with Python's."""
    label = _label(kind)
    name = label.removeprefix("numpy.").removeprefix("u").rstrip("0123456789_")
    return name if name in ("float", "int", "bool") else label


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _label(kind: type) -> str:
    """Return a type's name as it is written in Python."""
    module, name = kind.__module__, kind.__qualname__
    # pandas defines its types in modules of its own.
    module = "pandas" if module.startswith("pandas.") else module
    return name if module == "builtins" else f"{module}.{name}"
