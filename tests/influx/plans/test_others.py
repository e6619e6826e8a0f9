"""Plans of batches, queries, writes and their checks, by replies given by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import ConnectionFailedError, NotFoundError, Rejection, SchemaConflictError, WriteError
from db_influx._flux import Query
from db_influx._points import Points
from db_influx._steps import AskAtMost, Post, Stream, Work
from db_influx.plans import batches, check_write, query, write
from db_influx.plans.schema import Databases
from tests.influx.plans.played import DAY, HOUR, SECOND, T0, Played, csv, knows, options, selection

if TYPE_CHECKING:
    from collections.abc import Callable

TIME, FLOAT, TEXT = "dateTime:RFC3339", "double", "string"
POINTS = {"_time": TIME, "_value": FLOAT}


# --- Batches ----------------------------------------------------------------------


def points(*values: float, hour: int = 0) -> bytes:
    """Return an answer of points, a second apart from an hour of 2026-01-01 on."""
    rows = [(f"2026-01-01T{hour:02}:00:{second:02}Z", value) for second, value in enumerate(values)]
    return csv(POINTS, *rows)


FIRST = csv({**POINTS, "_field": TEXT}, ("2026-01-01T00:00:00Z", 1.0, "v"), group=("_field",))


def widths(played: Played) -> list[int]:
    """Return how wide each slice was, in nanoseconds."""
    found = []
    for step in played.steps:
        if isinstance(step, AskAtMost):
            start, stop = step.query.flux.split("range(start: ")[1].split(")")[0].split(", stop: ")
            found.append(int(pd.Timestamp(stop).value - pd.Timestamp(start).value))
    return found


def test_batches_are_slices_that_widen_where_points_are_few() -> None:
    """The first hour has two points, so the next slice is eight times as wide; then the rest."""
    replies = [points(1.0, 2.0), points(3.0, hour=2), points(4.0, hour=10)]
    played = Played(*knows(v="float"), [FIRST], *replies)

    played.run(batches.batches(Databases(), selection("v"), 100, options()))

    assert [HOUR, 8 * HOUR, 15 * HOUR] == widths(played)
    assert [[1.0, 2.0], [3.0], [4.0]] == [frame["v"].tolist() for frame in played.frames]


def test_a_slice_with_too_many_rows_is_asked_for_again_narrower() -> None:
    """A quarter of it; and no frame has more rows than asked for."""
    five = points(1.0, 2.0, 3.0, 4.0, 5.0)
    end = ConnectionFailedError("the rest of the day is of no interest")
    played = Played(*knows(v="float"), [FIRST], None, five, end)
    plan = batches.batches(Databases(), selection("v"), 2, options())

    with pytest.raises(ConnectionFailedError):
        played.run(plan)

    assert [HOUR, HOUR // 4] == widths(played)[:2]
    assert [[1.0, 2.0], [3.0, 4.0], [5.0]] == [frame["v"].tolist() for frame in played.frames]
    assert (2 * 4, (16 << 20) * 2) == played.steps[5].limits


def test_batches_that_are_left_ask_for_nothing_more() -> None:
    """Closed at a frame, as an iterator that is left early."""
    plan = batches.batches(Databases(), selection("v"), 2, options())
    played = Played(*knows(v="float"), [FIRST], points(1.0, 2.0, 3.0))
    reply: Any = None
    while not played.frames:
        reply = played._reply(plan.send(reply))

    plan.close()

    assert ["AskJson"] * 4 + ["Ask", "AskAtMost", "Batch"] == played.kinds


def test_an_error_in_the_middle_of_batches_is_raised_after_the_frames_before() -> None:
    """Those that were handed on stay so."""
    error = ConnectionFailedError("gone")
    played = Played(*knows(v="float"), [FIRST], points(1.0), error)

    with pytest.raises(ConnectionFailedError, match="gone"):
        played.run(batches.batches(Databases(), selection("v"), 100, options()))
    assert [[1.0]] == [frame["v"].tolist() for frame in played.frames]


# --- Queries ----------------------------------------------------------------------

TWO = csv({"a": FLOAT}, (1.5,)) + csv({"b": TEXT}, ("x",))


def test_a_query_is_one_step_and_one_frame() -> None:
    """The union of its tables, or with `split` one frame for each schema."""
    played = Played([TWO])
    frame = played.run(query.tables(Query("any"), options(into="polars"), split=False))
    assert {"a": [1.5, None], "b": [None, "x"]} == frame.select("a", "b").to_dict(as_series=False)
    assert [["any"]] == played.flux

    frames = Played([TWO]).run(query.tables(Query("any"), options(into="polars"), split=True))
    assert [["a"], ["b"]] == [[name for name in one.columns if name in "ab"] for one in frames]


def test_a_query_in_batches_is_one_stream() -> None:
    """Which the wire hands on itself."""
    played = Played()
    played.run(query.batches(Query("any"), 7, options(into="arrow")))
    assert [Stream(Query("any"), 7, "arrow")] == played.steps


def test_lists_of_names_are_sorted() -> None:
    """In whatever order they come."""
    assert ["a", "b"] == Played([csv({"_value": TEXT}, ("b",), ("a",))]).run(query.listed(Query("any")))


def test_tables_that_do_not_unify_are_an_error() -> None:
    """The plan's own, after its only step."""
    text = csv({"a": FLOAT}, (1.5,)) + csv({"a": TEXT}, ("x",))
    with pytest.raises(SchemaConflictError, match=r"column \"a\": double in table 0 and string"):
        Played([text]).run(query.tables(Query("any"), options(), split=False))


# --- Writes -----------------------------------------------------------------------


def frame(*values: float) -> pd.DataFrame:
    """Return values a second apart."""
    return pd.DataFrame(
        {"v": values}, index=pd.date_range("2026-01-01", periods=len(values), freq="s", tz="UTC")
    )


def of(data: pd.DataFrame) -> Callable[[], Points]:
    """Return what makes the points of a frame."""
    return partial(Points.of, data, "m", None, (), None, "error")


def line(value: float, second: int) -> bytes:
    """Return the line of a point."""
    return b"m v=%s %d\n" % (str(value).encode(), T0 + second * SECOND)


def dropped(points: int, status: int = 422) -> WriteError:
    """Return the server's error for a body of which it took some points."""
    message = f'partial write: field type conflict: input field "v" on measurement "m" dropped={points}'
    return WriteError(message, status=status)


def test_a_write_is_one_request_of_line_protocol() -> None:
    """Nothing is returned, as everything was accepted."""
    data, played = frame(1.5, 2.5), Played(None)
    assert None is played.run(write.write("b", data, of(data)))
    assert [Post("b", line(1.5, 0) + line(2.5, 1), 2)] == played.steps


def test_refused_rows_are_found_by_halves() -> None:
    """Row 2 of four: the halves are written again, then the rows of the half that lost one."""
    data = frame(0.5, 1.5, 2.5, 3.5)
    lines = [line(value, second) for second, value in enumerate((0.5, 1.5, 2.5, 3.5))]
    # All four; the first half, taken; row 2, refused; row 3, taken.
    played = Played(dropped(1), None, dropped(1), None)

    with pytest.raises(WriteError, match="1 of 4 points were refused: row 2: partial write") as caught:
        played.run(write.write("b", data, of(data)))

    assert [b"".join(lines), lines[0] + lines[1], lines[2], lines[3]] == [step.body for step in played.steps]
    assert (3, 422) == (caught.value.accepted, caught.value.status)
    assert [(2, 3, 1)] == [(one.start, one.stop, one.points) for one in caught.value.rejected]
    assert data.iloc[[2]].equals(caught.value.frame)


def test_a_body_that_is_refused_whole_is_not_written_again() -> None:
    """The server says that it lost as many points as it has."""
    data, played = frame(0.5, 1.5), Played(dropped(2))
    with pytest.raises(WriteError, match="2 of rows 0 to 1") as caught:
        played.run(write.write("b", data, of(data)))
    assert 0 == caught.value.accepted
    assert ["Post"] == played.kinds


@pytest.mark.parametrize(
    "error", [ConnectionFailedError("gone"), WriteError("no", status=500)], ids=["gone", "500"]
)
def test_an_error_of_the_first_body_is_raised_as_it_is(error: Exception) -> None:
    """Nothing is known to be written, so there is nothing to add."""
    data = frame(1.5)
    with pytest.raises(type(error)) as caught:
        Played(error).run(write.write("b", data, of(data)))
    assert error is caught.value


def test_an_error_in_the_search_keeps_what_is_known() -> None:
    """Of four points one was refused, and then the connection failed."""
    data = frame(0.5, 1.5, 2.5, 3.5)
    with pytest.raises(WriteError, match=r"0 of 4 points were.* Then the write failed: gone") as caught:
        Played(dropped(1), ConnectionFailedError("gone")).run(write.write("b", data, of(data)))
    assert [(0, 4, 1)] == [(one.start, one.stop, one.points) for one in caught.value.rejected]
    assert isinstance(caught.value.__cause__, ConnectionFailedError)


def test_an_error_of_a_later_body_says_how_much_is_written() -> None:
    """Bodies are about 4 MiB: the second one fails."""
    rows = 200_000
    data = pd.DataFrame(
        {"v": ["x" * 10] * rows}, index=pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC")
    )
    played = Played(None, ConnectionFailedError("gone"))
    with pytest.raises(
        WriteError, match=rf"\d+ of {rows} points were.* Then the write failed: gone"
    ) as caught:
        played.run(write.write("b", data, of(data)))

    accepted = played.steps[0].body.count(b"\n")
    assert accepted == caught.value.accepted
    assert [(accepted, rows)] == [(one.start, one.stop) for one in caught.value.rejected]


def test_a_write_that_is_closed_posts_nothing_more() -> None:
    """Where a task is cancelled."""
    data = frame(1.5)
    plan = write.write("b", data, of(data))
    step = next(plan)
    while not isinstance(step, Post):
        step = plan.send(step.function() if isinstance(step, Work) else None)
    plan.close()
    with pytest.raises(StopIteration):
        next(plan)


# --- Checks of writes -------------------------------------------------------------


def retention(nanoseconds: int) -> list[bytes]:
    """Return the answer about how long a bucket keeps points."""
    return [csv({"retentionPeriod": "long"}, (nanoseconds,))]


def stored(kind: str, value: object) -> list[bytes]:
    """Return the answer about the newest stored points."""
    return [
        csv(
            {"_time": TIME, "_value": kind, "_field": TEXT},
            ("2026-01-01T00:00:00Z", value, "v"),
            group=("_field",),
        )
    ]


def test_a_check_asks_for_the_retention_and_the_types() -> None:
    """Floats where there are floats, for ever: nothing is refused."""
    data = frame(1.5, 2.5)
    played = Played(retention(0), stored("double", 1.5))
    assert [] == played.run(check_write.check_write("b", data, of(data), T0 + DAY))
    [[kept], [newest]] = played.flux
    assert 'buckets() |> filter(fn: (r) => r.name == "b") |> keep(columns: ["retentionPeriod"])' == kept
    # A week before and behind the frame's times.
    assert "range(start: 2025-12-25T00:00:00.000000000Z, stop: 2026-01-08T00:00:01.000000000Z)" in newest


def test_a_check_tells_points_too_old_and_types_that_conflict() -> None:
    """A bucket of a day, two days later; and integers where floats are written."""
    data = frame(1.5, 2.5)
    plan = check_write.check_write("b", data, of(data), T0 + DAY + SECOND)
    assert [
        Rejection(0, 1, 1, "older than the 86400 seconds that the bucket keeps"),
        Rejection(0, 2, 2, "column 'v': float, where the bucket holds integer"),
    ] == Played(retention(DAY), stored("long", 1)).run(plan)


def test_a_frame_with_faults_of_its_own_is_not_asked_about() -> None:
    """No step at all."""
    data = frame(1.5, float("inf"))
    played = Played()
    found = played.run(check_write.check_write("b", data, of(data), T0))
    assert [(1, 2)] == [(one.start, one.stop) for one in found]
    assert [] == played.steps


def test_a_check_of_an_unknown_bucket_is_an_error() -> None:
    """The list of buckets has no such row."""
    data = frame(1.5)
    with pytest.raises(NotFoundError, match="bucket 'b' not found"):
        Played([csv({"retentionPeriod": "long"})]).run(check_write.check_write("b", data, of(data), T0))
