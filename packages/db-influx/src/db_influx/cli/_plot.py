"""`plot`: a read as lines, in the terminal or as a picture."""

from __future__ import annotations

import io
import math
import shutil
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from db_core.errors import InvalidArgumentError, MissingLibraryError, NotFoundError
from db_influx.cli._ends import say
from db_influx.cli._files import destination
from db_influx.cli._moment import moment
from db_influx.cli._options import (
    BucketArgument,
    ByOption,
    FieldsArgument,
    MeasurementArgument,
    StartOption,
    StopOption,
    TagsOption,
    TzOption,
    tags_of,
)
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db_influx.cli._files import Stream

__all__ = ["plot"]

_PICTURES: dict[str, Literal["png", "svg"]] = {".png": "png", ".svg": "svg"}
_WINDOWS = 400  # over the range, about
_LINES = 8
_COLORS = ("cyan", "magenta", "yellow", "green", "red", "blue", "white", "bright_black")
_LABELS = 24  # columns beside and around the canvas
_SECOND = 1_000_000_000


class Line(NamedTuple):
    """The values of a field of one series.

    Attributes:
        label: Its name.
        times: Python's datetimes.
        values: Numbers.
    """

    label: str
    times: list[Any]
    values: list[float]


def plot(
    bucket: BucketArgument,
    measurement: MeasurementArgument,
    fields: FieldsArgument = None,
    *,
    start: StartOption,
    stop: StopOption = None,
    tag: TagsOption = None,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help=f"Length of a window; without it, a {_WINDOWS}th of the range."
        ),
    ] = None,
    agg_func: Annotated[
        str,
        typer.Option(metavar="FUNCTION", help="What a window gives: mean, max, last and others of `read`."),
    ] = "mean",
    raw: Annotated[bool, typer.Option("--raw", help="Draw each point as it is stored.")] = False,
    by: ByOption = None,
    tz: TzOption = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="PATH", help="A .png or .svg file; without it, the terminal."),
    ] = None,
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Draw fields over time, in the terminal or as a picture: a line for each series and field.

    Pictures need matplotlib: pip install 'db-influx[cli,plot]'.
    """
    kind = _kind(output)
    if raw and interval is not None:
        message = "`raw` draws points as they are stored, which have no windows: leave out --interval"
        raise InvalidArgumentError(message, argument="raw")
    options: dict[str, Any] = {"into": "pandas", "tags": tags_of(tag), "by": by or None}
    with connect(profile, token_file, tz=tz) as manager:
        begin, end = moment(start, "start", tz), moment(stop or "now()", "stop", tz)
        every = interval or f"{max(1, math.ceil((end - begin) / _SECOND / _WINDOWS))}s"
        options |= {"interval": None} if raw else {"interval": every, "agg_func": agg_func}
        names = fields or manager.get_fields(bucket, measurement)
        if not names:
            message = f"no field to draw: bucket {bucket!r} has no measurement {measurement!r}"
            raise NotFoundError(message)
        frame = manager.read(start, stop, measurement, names, bucket, **options)
    lines = [line for line in _lines(frame) if line.values]
    if not lines:
        raise NotFoundError(f"measurement {measurement!r} has no numbers in this range")
    if len(lines) > _LINES:
        say(f"These are {_LINES} of {len(lines)} lines: --tag, --by and names of fields choose others.")
    with destination(output) as stream:
        if kind is None:
            stream.write(_text(lines[:_LINES], _shown(measurement), stream))
        else:
            stream.write(_picture(lines[:_LINES], _shown(measurement), kind))


def _kind(output: str | None) -> Literal["png", "svg"] | None:
    """Return the format of a picture; None is text.

    Raises:
        InvalidArgumentError: The extension names none.
        MissingLibraryError: matplotlib is not installed.
    """
    if output in (None, "-"):
        return None
    kind = _PICTURES.get(PurePath(str(output)).suffix.lower())
    if kind is None:
        message = f"`output` must end with {' or '.join(_PICTURES)}, not {output!r}"
        raise InvalidArgumentError(message, argument="output")
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        message = "pictures need matplotlib, which is not installed: pip install 'db-influx[cli,plot]'"
        raise MissingLibraryError(message) from error
    return kind


def _lines(frame: Any) -> Iterator[Line]:
    """Yield the lines of a frame, whose index has the tags of the series before the time."""
    import pandas as pd

    levels = list(frame.index.names[:-1])
    groups: list[tuple[Any, Any]] = [((), frame)]
    if levels:
        groups = [(key, part.droplevel(levels)) for key, part in frame.groupby(level=levels, dropna=False)]
    for key, part in groups:
        named: Any = zip(levels, key, strict=True)
        series = ", ".join(f"{name}={value}" for name, value in named if isinstance(value, str))
        for field in part.columns:
            values = part[field].dropna()
            if pd.api.types.is_bool_dtype(values.dtype):
                values = values.astype("int8")
            if not pd.api.types.is_numeric_dtype(values.dtype):
                say(f"Left out: field {field!r} has no numbers")
                continue
            label = _shown(f"{field} {series}".strip())
            times = [time.to_pydatetime(warn=False) for time in values.index]
            yield Line(label, times, [float(value) for value in values])


def _shown(name: str) -> str:
    """Return a name with what a terminal would obey, or not show, written as an escape."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)


def _text(lines: list[Line], title: str, stream: Stream) -> bytes:
    """Return lines as text: dots of Braille."""
    import plotille

    size = shutil.get_terminal_size() if stream.is_terminal else (80, 24)
    figure = plotille.Figure()
    figure.width = max(20, size[0] - _LABELS)
    figure.height = max(5, min(40, size[1] - 11 - len(lines)))
    figure.color_mode = "names"
    figure.with_colors = stream.is_terminal
    figure.origin = False
    figure.x_label, figure.y_label = "time", "value"
    figure.y_ticks_fkt = lambda low, _: f"{low:.5g}"
    times = [time for line in lines for time in line.times]
    pattern = _pattern((max(times) - min(times)).total_seconds())
    figure.x_ticks_fkt = lambda low, _: low.strftime(pattern)
    low, high = min(min(line.values) for line in lines), max(max(line.values) for line in lines)
    if low == high:
        figure.set_y_limits(low - 1, high + 1)
    if min(times) == max(times):
        from datetime import timedelta

        figure.set_x_limits(min(times) - timedelta(seconds=1), max(times) + timedelta(seconds=1))
    for line, color in zip(lines, _COLORS, strict=False):
        draw = figure.plot if len(line.times) > 1 else figure.scatter
        draw(line.times, line.values, lc=color if figure.with_colors else None, label=line.label)
    return f"{title}\n{figure.show(legend=True)}\n".encode()


def _pattern(seconds: float) -> str:
    """Return how times are shown on an axis of some seconds: in the 9 columns between two marks."""
    if seconds < 86_400:  # noqa: PLR2004 - a day
        return "%H:%M:%S"
    return "%d %H:%M" if seconds < 5 * 86_400 else "%y-%m-%d"


def _picture(lines: list[Line], title: str, kind: str) -> bytes:
    """Return lines as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, parse_math=False)
    for line in lines:
        axes.plot(line.times, line.values, marker="." if len(line.times) < _WINDOWS // 8 else "", linewidth=1)
    axes.grid(visible=True, alpha=0.3)
    # A label that begins with an underscore would be left out.
    legend = axes.legend(axes.lines, [f"\N{ZERO WIDTH SPACE}{line.label}" for line in lines])
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.autofmt_xdate()
    saved = io.BytesIO()
    figure.savefig(saved, format=kind, dpi=120)
    return saved.getvalue()
