"""Consumption per window, at the surface; the native crate's tests have a twin of the kernel."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from db_core import (
    AmbiguousSeriesError,
    DatabaseError,
    IncompleteResultError,
    InvalidArgumentError,
    SchemaConflictError,
)
from db_core.annotated_csv import decode
from db_core.meter import Consumption, Doubt, Unsettled
from db_core.pivot import pivot

if TYPE_CHECKING:
    from db_core.annotated_csv import Answer
    from db_core.frame import Frame

MINUTE = 60_000_000_000
START = 1_711_843_200_000_000_000  # 2024-03-31T00:00:00Z
KWH: dict[str, Any] = {"fields": ["kwh"]}
WORDS = ["ok", "first", "gap", "reset", "rollover", "implausible"]

Rows = list[tuple[float, float | str]]


def read(
    rows: dict[str, Rows] | Rows, *, field: str | None = "kwh", kind: str = "double", firmware: str = "1"
) -> list[Answer]:
    """Decode a query's answer: of each meter, minutes and totals."""
    text = ""
    for number, (meter, totals) in enumerate((rows if isinstance(rows, dict) else {"a": rows}).items()):
        names = {"_field": field, "meter": meter, "firmware": firmware}
        tags = {name: value for name, value in names.items() if value is not None}
        text += f"#datatype,string,long,dateTime:RFC3339,{kind}{',string' * len(tags)}\n"
        text += f"#group,false,false,false,false{',true' * len(tags)}\n"
        text += ",".join(["", "result", "table", "_time", "_value", *tags]) + "\n"
        for minute, total in totals:
            time = np.datetime64(START + int(minute * MINUTE), "ns")
            text += ",".join(["", "", str(number), f"{time}Z", str(total), *tags.values()]) + "\n"
        text += "\n"
    return [decode(text.encode())]


def labels(*minutes: int) -> list[int]:
    """Give times as a frame has them."""
    return [START + minute * MINUTE for minute in minutes]


def consumption(
    totals: list[Answer],
    *,
    points: list[Answer] | tuple[()] = (),
    refined: list[tuple[int, int, int]] | tuple[()] = (),
    **given: Any,
) -> Frame:
    """Read totals, and give the frame."""
    return Consumption(totals, **given).frame(points, refined)


def unsettled(totals: list[Answer], **given: Any) -> Unsettled:
    """Read totals, and give what is unsettled."""
    return Consumption(totals, **given).unsettled()


def found(frame: Frame, *names: str) -> dict[str, list[Any]]:
    """Give some columns, or all."""
    columns = frame.to_pydict()
    return {name: columns[name] for name in names or columns}


def test_windows_add_up() -> None:
    """A window is its last total less the last one before it, whichever of its series come first."""
    frame = consumption(
        read({"b": [(1, 10), (2, 12.5)], "a": [(2, 3)]}), before=read({"a": [(-1, 1)], "b": [(0, 7)]}), **KWH
    )

    assert ["meter", "time"] == frame.index
    assert {"meter": ["a", "b", "b"], "time": labels(2, 1, 2), "kwh": [2, 3, 2.5]} == found(frame)
    assert [2, 3, 2.5] == frame.to_pandas()["kwh"].tolist()


def test_a_series_without_a_total_before_counts_from_its_first() -> None:
    """What it consumed before that is not known; with no first either, nothing is of its first window."""
    with_first = consumption(read([(1, 10), (2, 12)]), first=read([(0.5, 9)]), **KWH, quality=True)
    without = consumption(read([(1, 10), (2, 12)]), **KWH, quality=True)

    assert {"kwh": [1, 2], "kwh_quality": ["first", "ok"]} == found(with_first, "kwh", "kwh_quality")
    assert {"kwh": [None, 2], "kwh_quality": ["first", "ok"]} == found(without, "kwh", "kwh_quality")


@pytest.mark.parametrize(
    ("on_reset", "rollover", "amount", "quality"),
    [
        ("null", None, None, "reset"),
        ("restart", None, 4, "reset"),
        ("rollover", {"kwh": 12}, 6, "rollover"),
        ("keep", None, -6, "reset"),
    ],
)
@pytest.mark.parametrize("kind", ["double", "long", "unsignedLong"])
def test_a_drop_is_what_it_is_said_to_be(
    on_reset: Any, rollover: Any, amount: float | None, quality: str, kind: str
) -> None:
    """Unknown, a meter that began again, one that went round, or one that counts backwards."""
    frame = consumption(
        read([(1, 10), (2, 4), (3, 6)], kind=kind),
        before=read([(0, 8)], kind=kind),
        **KWH,
        on_reset=on_reset,
        rollover=rollover,
        quality=True,
    )

    expected = {"kwh": [2, amount, 2], "kwh_quality": ["ok", quality, "ok"]}
    assert expected == found(frame, "kwh", "kwh_quality")


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ("book", {"time": labels(1, 4), "kwh": [1, 6], "kwh_quality": ["gap", "gap"]}),
        ("spread", {"time": labels(1, 2, 3, 4), "kwh": [1, 2, 2, 2], "kwh_quality": ["gap"] * 4}),
        ("null", {"time": labels(1, 2, 3, 4), "kwh": [None] * 4, "kwh_quality": ["gap"] * 4}),
    ],
)
@pytest.mark.parametrize(
    "grid", [np.array(labels(1, 2, 3, 4, 5)), array("q", labels(1, 2, 3, 4, 5))], ids=["numpy", "array"]
)
def test_a_gap_goes_where_it_is_said_to_go(gaps: Any, expected: dict[str, Any], grid: Any) -> None:
    """Where the windows are known; the total before the range is too old to lie right before it."""
    totals, before = read([(1, 1), (4, 7)]), read([(-3, 0)])
    since = labels(-1)[0]
    frame = consumption(
        totals, before=before, **KWH, gaps=gaps, grid=grid, adjacent_since=since, quality=True
    )

    assert expected == found(frame)
    unseen = consumption(totals, before=before, **KWH, gaps=gaps, adjacent_since=since)
    assert {"time": labels(1, 4), "kwh": [1, 6]} == found(unseen)


def test_an_odd_total_is_passed_over_and_a_new_level_kept() -> None:
    """Above the highest rate, the next total tells which of the two it is."""
    totals = read({"odd": [(1, 5), (2, 900), (3, 12)], "new": [(1, 5), (2, 900), (3, 907)]})
    before = read({"odd": [(0, 0)], "new": [(0, 0)]})
    frame = consumption(totals, before=before, **KWH, max_rate={"kwh": 1}, quality=True)

    assert [5, None, 7, 5, None, 7] == frame.to_pydict()["kwh"]
    assert ["ok", "implausible", "ok"] * 2 == frame.to_pydict()["kwh_quality"]


def test_labels_at_the_start_lead_their_windows_end() -> None:
    """So the time from a total before the range is never taken for shorter than it was."""
    totals, before = read([(0, 90)]), read([(-0.5, 0)])

    assert [90] == consumption(totals, before=before, **KWH, max_rate={"kwh": 1}, lead=MINUTE).to_pydict()[
        "kwh"
    ]
    assert [None] == consumption(totals, before=before, **KWH, max_rate={"kwh": 1}).to_pydict()["kwh"]


def test_points_tell_what_a_window_hides() -> None:
    """Resets are found in totals and in the windows' smallest; their windows' points count in their place."""
    totals, before = read([(1, 10), (2, 11), (3, 3)]), read([(0, 9)])
    lows = read([(1, 10), (2, 0.5), (3, 3)])

    assert [Doubt("kwh", [0], labels(3))] == unsettled(
        totals, before=before, **KWH, on_reset="restart"
    ).doubts
    assert Unsettled([], [], []) == unsettled(totals, before=before, lows=lows, **KWH)
    assert Unsettled(["firmware", "meter"], [["1", "a"]], [Doubt("kwh", [0], labels(2, 3))]) == unsettled(
        totals, before=before, lows=lows, **KWH, on_reset="restart"
    )
    hidden = consumption(totals, before=before, lows=lows, **KWH, on_reset="restart")
    assert [1, None, 3] == hidden.to_pydict()["kwh"]

    seen = consumption(
        totals,
        before=before,
        lows=lows,
        points=read([(1.2, 10.5), (1.5, 0.5), (1.75, 11), (2.5, 3)]),
        refined=[(start + MINUTE, start, start + MINUTE) for start in labels(1, 2)],
        **KWH,
        on_reset="restart",
        quality=True,
    )
    assert [1, 0.5 + 0.5 + 10.5, 3] == seen.to_pydict()["kwh"]
    assert ["ok", "reset", "reset"] == seen.to_pydict()["kwh_quality"]


def test_points_that_are_asked_for_have_to_be_there() -> None:
    """Else the window's consumption would silently be the next one's."""
    totals, before = read([(1, 10), (2, 3)]), read([(0, 9)])
    window = (labels(2)[0], labels(1)[0], labels(2)[0])

    with pytest.raises(
        IncompleteResultError, match='field "kwh", window 2024-03-31T00:02:00Z: its points are'
    ):
        consumption(totals, before=before, refined=[window], **KWH, on_reset="restart")


def test_totals_are_read_once_and_may_be_given_other_points() -> None:
    """The answers may be used up meanwhile; each frame is of its own points, as if there were no other."""
    totals, before = read([(1, 10), (2, 3)]), read([(0, 9)])
    window = (labels(2)[0], labels(1)[0], labels(2)[0])
    meter = Consumption(totals, before=before, **KWH, on_reset="restart")
    pivot(totals)

    assert labels(2) == meter.unsettled().doubts[0].windows
    with pytest.raises(IncompleteResultError):
        meter.frame([], [window])
    assert [1, 3] == meter.frame().to_pydict()["kwh"]
    for points, amount in (([(1.2, 10.5), (1.5, 0.5), (1.9, 3)], 3.5), ([(1.5, 11), (1.9, 3)], 4)):
        assert [1, amount] == meter.frame(read(points), [window]).to_pydict()["kwh"]
    assert [1, 3] == meter.frame().to_pydict()["kwh"]


def test_points_are_of_the_type_of_their_totals() -> None:
    """Doubles beside integers would be rounded, as the frame's type is settled by the totals."""
    meter = Consumption(read([(1, 10), (2, 3)], kind="long"), **KWH, on_reset="restart")
    window = (labels(2)[0], labels(1)[0], labels(2)[0])

    with pytest.raises(SchemaConflictError, match='"kwh": long in the totals of windows and double in their'):
        meter.frame(read([(1.5, 0.5)]), [window])


def test_windows_that_come_late_keep_their_labels() -> None:
    """Closed at the right, they begin and end a nanosecond later; the frame does not show it."""
    totals, before = read([(1, 10), (2, 12)]), read([(0, 7)])

    frame = consumption(totals, before=before, **KWH, late=1)

    assert {"time": [time - 1 for time in labels(1, 2)], "kwh": [3, 2]} == found(frame)


def test_types_are_kept_or_signed() -> None:
    """float64 stays; integers become int64, exactly; a field without data is float64 without values."""
    half = 2**63
    totals = [*read([(1, 2.5)]), *read([(1, half + 4)], field="wh", kind="unsignedLong")]
    before = [*read([(0, 1)]), *read([(0, half - 3)], field="wh", kind="unsignedLong")]
    frame = consumption(totals, before=before, fields=["wh", "none", "kwh"])

    assert {"time": labels(1), "wh": [7], "none": [None], "kwh": [1.5]} == found(frame)
    types = [pa.timestamp("ns", "UTC"), pa.int64(), pa.float64(), pa.float64()]
    assert types == frame.to_arrow().schema.types
    lisbon = consumption(totals, fields=["kwh"], tz="Europe/Lisbon")
    assert pl.Datetime("ns", "Europe/Lisbon") == lisbon.to_polars()["time"].dtype


def test_qualities_are_categories() -> None:
    """The words are the same, and in the same order, whichever of them occur."""
    frame = consumption(read([(1, 10), (2, 4)]), before=read([(0, 9)]), **KWH, quality=True)

    assert ["time", "kwh", "kwh_quality"] == frame.columns
    pandas = frame.to_pandas()["kwh_quality"]
    assert isinstance(pandas.dtype, pd.CategoricalDtype)
    assert WORDS == pandas.cat.categories.tolist()
    assert ["ok", "reset"] == pandas.tolist()
    polars = frame.to_polars()["kwh_quality"]
    assert isinstance(polars.dtype, pl.Categorical | pl.Enum)
    assert ["ok", "reset"] == polars.to_list()
    arrow = frame.to_arrow()["kwh_quality"]
    assert pa.dictionary(pa.int32(), pa.large_string()) == arrow.type
    assert WORDS == arrow.chunk(0).dictionary.to_pylist()


def test_one_field_need_not_be_named() -> None:
    """As in a pivot, tables without `_field` are those of the one field asked for."""
    frame = consumption(read([(1, 10)], field=None), before=read([(0, 7)], field=None), **KWH)

    assert [3] == frame.to_pydict()["kwh"]


def test_dead_meters_leave_no_trace() -> None:
    """A series of the other queries that has no totals in the range adds no rows, levels or errors."""
    totals = read([(1, 10)])
    before = [*read({"a": [(0, 7)], "dead": [(-9, 1)]}), *read({"text": [(-9, "off")]}, kind="string")]
    companions: dict[str, Any] = {"before": before, "first": before, "lows": before}

    for by, levels in ((None, []), ([], []), (["meter"], ["meter"])):
        frame = consumption(totals, **companions, **KWH, by=by)
        assert [*levels, "time"] == frame.index
        assert [3] == frame.to_pydict()["kwh"]
        found = unsettled(totals, **{**companions, "lows": ()}, **KWH, by=by, on_reset="restart")
        assert [] == found.doubts


def test_by_makes_one_meter_of_series_that_agree() -> None:
    """A meter with new firmware goes on from its total under the old one."""
    totals = [*read([(1, 10), (2, 12)]), *read([(3, 15)], firmware="2")]
    before = [*read([(-5, 1)], firmware="0"), *read([(0, 7)])]

    one = consumption(totals, before=before, **KWH, by=["meter"])
    assert {"meter": ["a"] * 3, "time": labels(1, 2, 3), "kwh": [3, 2, 3]} == found(one)
    apart = consumption(totals, before=before, **KWH)
    assert {"firmware": ["1", "1", "2"], "time": labels(1, 2, 3), "kwh": [3, 2, None]} == found(apart)
    with pytest.raises(AmbiguousSeriesError, match="expected one series, found 2"):
        consumption(totals, before=before, **KWH, by=[])
    with pytest.raises(AmbiguousSeriesError, match="2 series have a value, and differ in firmware"):
        consumption([*totals, *read([(1, 9)], firmware="2")], **KWH, by=["meter"])


def test_nothing_found_keeps_the_shape() -> None:
    """The index, the fields and the qualities are there, without rows."""
    for totals in ([], [decode(b"\n")]):
        frame = consumption(totals, before=read([(0, 7)]), **KWH, by=["meter"], quality=True)

        assert {"meter": [], "time": [], "kwh": [], "kwh_quality": []} == found(frame)
        assert ["meter", "time"] == frame.index
        assert ["time", "kwh"] == consumption(totals, **KWH).columns
        assert [] == unsettled(totals, **KWH).doubts


@pytest.mark.parametrize(
    ("given", "argument", "message"),
    [
        (
            {"on_reset": "zero"},
            "on_reset",
            "`on_reset` must be one of 'null', 'restart', 'rollover', 'keep', not",
        ),
        ({"gaps": None}, "gaps", "`gaps` must be one of 'book', 'spread', 'null', not None"),
        ({"on_reset": "rollover"}, "rollover", "needs the `rollover` of 'kwh' too"),
        ({"on_reset": "rollover", "rollover": {"wh": 9}}, "rollover", "needs the `rollover` of 'kwh' too"),
        (
            {"rollover": {"kwh": 9}},
            "rollover",
            "`rollover` needs `on_reset=\"rollover\"`, not 'null'",
        ),
        *(
            (
                {"on_reset": "rollover", "rollover": {"kwh": end}},
                "rollover",
                "`rollover` of 'kwh' must be a finite",
            )
            for end in (0, -1, float("inf"), float("nan"), 10**400, 2**53 + 1, "9", True)
        ),
        *(
            ({"max_rate": {"kwh": rate}}, "max_rate", "`max_rate` of 'kwh' must be a number above 0, not")
            for rate in (0, -1, float("nan"), "9", None)
        ),
        (
            {"quality": True, "fields": ["kwh", "kwh_quality"]},
            "quality",
            "`quality=True` would make a column kwh_quality, and a field has this name",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], argument: str, message: str) -> None:
    """By the argument's name, before anything is computed."""
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        consumption(read([(1, 10)]), **{**KWH, **given})

    assert argument == caught.value.argument


@pytest.mark.parametrize(
    ("totals", "given", "error", "message"),
    [
        (
            read([(1, "on")], kind="string"),
            {},
            InvalidArgumentError,
            '"kwh": consumption needs a float64, int64 or',
        ),
        (
            read([(1, 1)], kind="long"),
            {"on_reset": "rollover", "rollover": {"kwh": 9.5}},
            InvalidArgumentError,
            '"kwh": the rollover of a field of integers must be a whole number up to 2.64, not 9.5',
        ),
        (
            read([(1, 2**64 - 1), (2, 2**63 + 1)], kind="unsignedLong"),
            {"on_reset": "restart"},
            InvalidArgumentError,
            '"kwh", row 1: the consumption does not fit in 64 bits',
        ),
        (
            [*read([(1, 1)]), *read({"b": [(1, 2**53 + 1)]}, kind="long")],
            {},
            SchemaConflictError,
            '"kwh": double in series .*firmware=1,meter=a.* a double can.t hold 9007199254740993 exactly',
        ),
        (
            read([(1, 1)]),
            {"grid": np.array([2, 1])},
            InvalidArgumentError,
            "the labels of the grid must ascend",
        ),
    ],
    ids=["text", "part of a rollover", "too large", "mixed", "descending grid"],
)
def test_what_can_not_be_computed_is_told(
    totals: list[Answer], given: dict[str, Any], error: type[DatabaseError], message: str
) -> None:
    """With the column, and the row where one is to blame."""
    with pytest.raises(error, match=message):
        consumption(totals, **KWH, **given)
