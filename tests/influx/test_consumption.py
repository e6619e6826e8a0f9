"""Consumption from meter totals on a real InfluxDB: tables worked out by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import InvalidArgumentError
from tests.influx.meter import HOUR, START, T0, Meter, Totals

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store


# --- The first window -----------------------------------------------------------


def test_the_first_window_counts_from_the_last_total_before_it(manager: InfluxManager, meter: Meter) -> None:
    """However old that is: the consumption of adjoining ranges adds up."""
    meter.write([(-30 * 24 * 60, 90), (10, 100), (50, 104), (70, 130)])

    assert [(1, 14), (2, 26)] == meter.rows(manager)
    assert [(1, 14)] == meter.rows(manager, 1)
    assert [(2, 26)] == meter.rows(manager, 2, start=1)


def test_without_one_it_counts_from_its_first_point(manager: InfluxManager, meter: Meter) -> None:
    """What was before is not known; what it counts by then is."""
    meter.write([(5, 100), (50, 107), (70, 110)])

    assert [(1, 7, "first"), (2, 3, "ok")] == meter.rows(manager, quality=True)


def test_a_single_point_has_consumed_nothing_yet(manager: InfluxManager, meter: Meter) -> None:
    """From its first point to its last, which is the same."""
    meter.write([(5, 100)])

    assert [(1, 0, "first")] == meter.rows(manager, quality=True)


def test_floats_give_floats_and_nothing_gives_nothing(manager: InfluxManager, meter: Meter) -> None:
    """The shape is that of every read."""
    meter.write([(-10, 90), (10, 100)], kind="")

    frame = meter.read(manager, quality=True)
    index = pd.DatetimeIndex([T0 + HOUR], name="time").as_unit("ns").tz_localize("UTC")
    words = ["ok", "first", "gap", "reset", "rollover", "implausible"]
    quality = pd.Series(["ok"], index=index, dtype=pd.CategoricalDtype(pd.Index(words, dtype="str")))

    assert_frame_equal(pd.DataFrame({"e": [10.0]}, index=index), frame[["e"]])
    assert quality.tolist() == frame["e_quality"].tolist()
    assert words == frame["e_quality"].cat.categories.tolist()
    assert [] == meter.rows(manager, start=2)
    assert ["e", "e_quality"] == list(meter.read(manager, start=2, quality=True).columns)


# --- Resets ---------------------------------------------------------------------


# 110 is the last total before the second hour, in which the meter is reset to 5 and counts to 20.
RESET = [(10, 100), (50, 110), (70, 113), (80, 5), (110, 20), (130, 30)]
# The same, but the second hour ends above where it began.
HIDDEN = [(10, 100), (50, 110), (70, 113), (80, 5), (110, 300), (130, 310)]


@pytest.mark.parametrize(
    ("totals", "options", "expected"),
    [
        (RESET, {}, (None, "reset")),
        (RESET, {"on_reset": "restart"}, (3 + 5 + 15, "reset")),
        (RESET, {"on_reset": "rollover", "rollover": 200}, (3 + (200 - 113 + 5) + 15, "rollover")),
        (RESET, {"on_reset": "rollover", "rollover": {"e": 114}}, (3 + (114 - 113 + 5) + 15, "rollover")),
        (RESET, {"on_reset": "keep"}, (20 - 110, "reset")),
        (HIDDEN, {}, (None, "reset")),
        (HIDDEN, {"on_reset": "restart"}, (3 + 5 + 295, "reset")),
        (HIDDEN, {"on_reset": "rollover", "rollover": 112}, (None, "reset")),  # which never showed 113
        (HIDDEN, {"on_reset": "rollover", "rollover": 1000}, (3 + (1000 - 113 + 5) + 295, "rollover")),
        (HIDDEN, {"on_reset": "keep"}, (300 - 110, "ok")),
    ],
)
def test_a_reset_is_what_the_policy_says(
    manager: InfluxManager,
    meter: Meter,
    totals: Totals,
    options: dict[str, Any],
    expected: tuple[int | None, str],
) -> None:
    """Also one that a later, higher total of the same window hides; the next window goes on from there."""
    meter.write(totals)

    assert [(1, 10, "first"), (2, *expected), (3, 10, "ok")] == meter.rows(manager, quality=True, **options)


def test_many_resets_are_read_in_one_piece(manager: InfluxManager, meter: Meter) -> None:
    """A meter that begins anew every second hour; each of its hours is known."""
    hours = range(200)
    meter.write([(60 * hour + minute, (hour % 2) * 60 + minute) for hour in hours for minute in (5, 35, 55)])

    restarted = meter.rows(manager, 200, on_reset="restart")
    unknown = meter.rows(manager, 200)

    # An odd hour counts from 55 to 115; an even one begins at 5 after 115, which it counts from zero.
    assert [50] + [60 if hour % 2 else 55 for hour in hours[1:]] == [value for _, value in restarted]
    assert [50] + [60 if hour % 2 else None for hour in hours[1:]] == [value for _, value in unknown]


def test_a_display_that_rolls_over(manager: InfluxManager, meter: Meter) -> None:
    """9999.9 is the same as 0."""
    meter._store.write(
        f"{meter._msname} e=9990.5 {T0}",
        f"{meter._msname} e=9999 {T0 + HOUR}",
        f"{meter._msname} e=3.5 {T0 + 2 * HOUR}",
    )

    *first, (_, second), (_, third) = meter.rows(manager, on_reset="rollover", rollover=9999.9)

    # Closed at the right, the first total is the one that is counted from.
    assert ([(1, 0)] if meter.closed == "left" else []) == first
    assert 8.5 == second
    assert math.isclose(0.9 + 3.5, third, rel_tol=1e-12)


def test_nothing_counts_from_zero_to_below_it(manager: InfluxManager, meter: Meter) -> None:
    """A total that falls to a negative one has not restarted."""
    meter.write([(-30, -40), (30, -60), (90, -10)])

    assert [(1, None, "reset"), (2, 50, "ok")] == meter.rows(manager, quality=True, on_reset="restart")


def test_a_replaced_meter_does_not_book_its_index(manager: InfluxManager, meter: Meter) -> None:
    """The new one starts at 40, which nobody has consumed."""
    meter.write([(-60, 100), (30, 110), (90, 40), (150, 45)])

    assert [(1, 10), (2, None), (3, 5)] == meter.rows(manager)


def test_a_replaced_meter_that_starts_higher(manager: InfluxManager, meter: Meter) -> None:
    """Only a plausible rate tells it from consumption; the totals that go on from it confirm it."""
    meter.write([(-30, 100), (30, 110), (90, 5_000), (150, 5_010), (210, 5_020)])

    assert [(1, 10, "ok"), (2, None, "implausible"), (3, 10, "ok"), (4, 10, "ok")] == meter.rows(
        manager, quality=True, max_rate=20 / 3_600
    )


# --- Plausibility ---------------------------------------------------------------


@pytest.mark.parametrize("odd", [99_999, 0])
@pytest.mark.parametrize("on_reset", ["null", "restart", "keep"])
@pytest.mark.parametrize("label", ["start", "stop"])
def test_an_odd_total_does_not_poison_the_next_window(
    manager: InfluxManager, meter: Meter, odd: int, on_reset: str, label: str
) -> None:
    """Whether too high or too low: the next total goes on from the one before it."""
    meter.write([(-30, 100), (30, 110), (90, odd), (150, 130), (210, 140)])

    rows = meter.rows(manager, quality=True, max_rate={"e": 20 / 3_600}, on_reset=on_reset, label=label)

    assert [(10, "ok"), (None, "implausible"), (20, "ok"), (10, "ok")] == [row[1:] for row in rows]


def test_a_dip_within_a_window_is_seen_through(manager: InfluxManager, meter: Meter) -> None:
    """With a plausible rate a window is known although a total in it was wrong."""
    meter.write([(-30, 100), (30, 110), (70, 113), (80, 0), (110, 120), (150, 130)])

    assert [(1, 10), (2, 10), (3, 10)] == meter.rows(manager, max_rate=20 / 3_600)
    assert [(1, 10), (2, None), (3, 10)] == meter.rows(manager)


@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("label", ["start", "stop"])
@pytest.mark.parametrize(
    ("timestep", "start", "stop", "expected"),
    [
        ("1mo", "2026-01-01T00:00Z", "2026-05-01T00:00Z", [744, 672, 743, 720]),
        ("1d", "2026-03-28T00:00Z", "2026-03-31T23:00Z", [24, 23, 24, 24]),
    ],
)
def test_a_rate_is_kept_by_windows_of_unequal_length(
    manager: InfluxManager,
    store: Store,
    msname: str,
    closed: Any,
    label: str,
    timestep: str,
    start: str,
    stop: str,
    expected: list[int],
) -> None:
    """March is judged by its own days, whatever February has; the zone is Lisbon's."""
    begin, end = pd.Timestamp(start).value, pd.Timestamp(stop).value
    hours = range(begin - HOUR, end + HOUR, HOUR)
    store.write(*(f"{msname} e={number}i {at}" for number, at in enumerate(hours)))

    got = manager.read_accumulated_value(
        start,
        stop,
        msname,
        "e",
        store.name,
        timestep,
        tz="Europe/Lisbon",
        closed=closed,
        label=label,  # type: ignore[arg-type]
        max_rate=1.001 / 3_600,
        into="polars",
    )

    assert expected == got["e"].to_list()[: len(expected)]


@pytest.mark.parametrize("label", ["start", "stop"])
@pytest.mark.parametrize("minutes", [1, 5, 16, 59])
def test_a_rate_is_kept_where_the_range_cuts_a_window(
    manager: InfluxManager, meter: Meter, label: str, minutes: int
) -> None:
    """A read up to now: the window has only begun, but the last total before it is older than that."""
    meter.write([(at, at // 15 * 2) for at in range(0, 300, 15)])

    rows = meter.rows(manager, 4 + minutes / 60, start=1, label=label, max_rate=8.1 / 3_600)

    # Four o'clock is the last window's, or the one's before.
    points = minutes // 15 + (meter.closed == "left")
    assert [8, 8, 8, *([2 * points] if points else [])] == [value for _, value in rows]


def test_a_rate_is_that_between_points(manager: InfluxManager, meter: Meter) -> None:
    """19 in 117 minutes are fewer than 12 an hour, though they fall into one hour; 19 in 60 are more."""
    meter.write([(30, 90), (61, 95), (178, 114), (238, 133), (239, 133)])

    assert [0, 5, 19, None] == [value for _, value in meter.rows(manager, max_rate=12 / 3_600)]


# --- Gaps -----------------------------------------------------------------------


GAP = [(-30, 90), (30, 100), (4 * 60 + 30, 131), (5 * 60 + 30, 135)]


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ("book", [(1, 10, "ok"), (5, 31, "gap"), (6, 4, "ok")]),
        (
            "spread",
            [(1, 10, "ok"), (2, 7, "gap"), (3, 8, "gap"), (4, 8, "gap"), (5, 8, "gap"), (6, 4, "ok")],
        ),
        (
            "null",
            [
                (1, 10, "ok"),
                (2, None, "gap"),
                (3, None, "gap"),
                (4, None, "gap"),
                (5, None, "gap"),
                (6, 4, "ok"),
            ],
        ),
    ],
)
def test_a_gap_is_what_the_policy_says(
    manager: InfluxManager, meter: Meter, gaps: str, expected: list[Any]
) -> None:
    """31 over four windows: whole numbers whose sum is 31."""
    meter.write(GAP)

    assert expected == meter.rows(manager, gaps=gaps, quality=True)


def test_a_gap_before_the_range_goes_into_its_first_windows(manager: InfluxManager, meter: Meter) -> None:
    """Where it resumes, or over the windows of the range; what is before them is another read's."""
    meter.write(GAP)

    assert [(5, 31, "gap"), (6, 4, "ok")] == meter.rows(manager, start=3, quality=True)
    assert [(4, 15), (5, 16), (6, 4)] == meter.rows(manager, start=3, gaps="spread")
    assert [(1, 10, "ok")] == meter.rows(manager, 1, quality=True)
    assert [(5, 31, "gap"), (6, 4, "ok")] == meter.rows(manager, start=4, quality=True)


# --- Arguments ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("on_reset", {"on_reset": "zero"}),
        ("rollover", {"on_reset": "rollover"}),
        ("rollover", {"rollover": 100}),
        ("rollover", {"on_reset": "rollover", "rollover": {"x": 100}}),
        ("rollover", {"on_reset": "rollover", "rollover": -1}),
        ("rollover", {"on_reset": "rollover", "rollover": "9999.9"}),
        ("max_rate", {"max_rate": 0}),
        ("max_rate", {"max_rate": {"x": 1}}),
        ("max_rate", {"max_rate": math.nan}),
        ("gaps", {"gaps": "fill"}),
        ("quality", {"quality": "yes"}),
    ],
)
def test_policies_are_checked_before_anything_is_asked(
    manager: InfluxManager, argument: str, options: dict[str, Any]
) -> None:
    """The bucket does not even exist."""
    with pytest.raises(InvalidArgumentError) as caught:
        manager.read_accumulated_value(
            START, START + pd.Timedelta(days=1), "m", "e", "nobody-made-this-bucket", 60, **options
        )

    assert argument == caught.value.argument


@pytest.mark.parametrize(("kind", "value"), [("string", '"text"'), ("boolean", "true")])
@pytest.mark.parametrize("days", [-1, 0, 30])
def test_only_numbers_are_totals(
    manager: InfluxManager, store: Store, msname: str, kind: str, value: str, days: int
) -> None:
    """The error names the field and its type, also where it has no point but before or after the range."""
    store.write(f"{msname} e={value} {T0 + days * 86_400_000_000_000}")

    with pytest.raises(
        InvalidArgumentError, match=f"'consumption' needs numbers, and field 'e'.* {kind}"
    ) as caught:
        manager.read_accumulated_value(START, START + pd.Timedelta(days=1), msname, "e", store.name, 60)
    assert "fields" == caught.value.argument
