"""The frame of a read, from decoded answers to the library of the caller."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from db_core.pivot import pivot
from db_influx._steps import Work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame, Into
    from db_influx._options import Options
    from db_influx._steps import Steps

__all__ = ["bytes_of", "converted", "wide"]

_VALUE = 16  # bytes, with its time


def bytes_of(answers: Sequence[Answer]) -> int:
    """Return about how many bytes the rows of answers take."""
    return _VALUE * sum(answer.rows for answer in answers)


def wide(
    answers: Sequence[Answer],
    fields: Sequence[str] | None,
    options: Options,
    *,
    kinds: Mapping[str, str],
    tag_columns: bool = False,
) -> Steps[Frame]:
    """Pivot points into one row per series and time; each has a value, so an empty cell is an empty text."""
    work = partial(
        pivot,
        answers,
        fields=fields,
        by=options.by,
        tag_columns=tag_columns,
        empty_text=True,
        kinds=kinds,
        tz=options.tz,
    )
    frame: Frame = yield Work(work, bytes_of(answers))
    return frame


def converted(frame: Frame, into: Into) -> Steps[Any]:
    """Hand a frame's memory over to pandas, polars or pyarrow."""
    return (yield Work(partial(frame.release, into), _VALUE * len(frame) * len(frame.columns)))
