"""Points that hypothesis draws for the tests of partitions, and the measurement that they are stored in."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.influx.conftest import Store

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# Lisbon has a day of 23 hours on March 29 and one of 25 on October 25; on Lord Howe the clock goes back half
# an hour on April 5.
SPRING = 1_774_396_800_000_000_000  # 2026-03-25T00:00:00Z
AUTUMN = 1_792_627_200_000_000_000  # 2026-10-22T00:00:00Z
DAYS = 12
BORDER = 3  # days; a field of mixed numbers has another type from there on
ZONES = ["UTC", "Europe/Lisbon", "Australia/Lord_Howe", "Asia/Kathmandu"]
CUTS = st.one_of(
    st.fixed_dictionaries({"every": st.sampled_from(["1d", "7h", "2d", "1w", "1mo", "29h13m7s", "100h1ns"])}),
    st.fixed_dictionaries({"rows": st.integers(1, 12)}),
)
SLOW = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Fields as line protocol spells a number of theirs; the last is integer on some days and float on others.
Spelling = Callable[[int, int], str]
SPELLED: dict[str, Spelling] = {
    "f": lambda number, _: f"{number / 7}",
    "i": lambda number, _: f"{2**53 + number}i",
    "u": lambda number, _: f"{2**63 + number}u",
    "b": lambda number, _: "true" if number % 2 else "false",
    "s": lambda number, _: f'"text, {number}"' if number % 5 else '""',
    "x": lambda number, day: f"{number}i" if day < BORDER else f"{number}.5",
}
NUMBERS: dict[str, Spelling] = {
    "f": SPELLED["f"],
    "i": lambda number, _: f"{number - 50}i",
    "u": lambda number, _: f"{number}u",
}
TAGS = ("b c", "k")


class Point(NamedTuple):
    """A point without a measurement: its time, the tags that it has, and its line."""

    time: int
    tags: frozenset[str]
    line: str


@st.composite
def points(draw: st.DrawFn, fields: dict[str, Spelling]) -> tuple[int, list[Point]]:
    """Draw when the data begins, and its points: series and fields come and go."""
    begin = draw(st.sampled_from([SPRING, AUTUMN]))
    series = st.tuples(st.sampled_from(["", "one", "two, é"]), st.sampled_from(["", "a", "b"]))
    times = st.tuples(
        st.integers(-DAY // HOUR, (DAYS + 1) * 24), st.sampled_from([0, 0, 1, HOUR - 1, 30 * MINUTE])
    )
    drawn = draw(
        st.dictionaries(
            st.tuples(series, times),
            st.dictionaries(st.sampled_from(list(fields)), st.integers(0, 99), min_size=1),
            max_size=40,
        )
    )
    found = []
    for (tags, (hours, rest)), values in drawn.items():
        time = begin + hours * HOUR + rest
        day = (time - begin) // DAY
        named = {name: value for name, value in zip(TAGS, tags, strict=True) if value}
        key = "".join(f",{escaped(name)}={escaped(value)}" for name, value in named.items())
        cells = ",".join(f"{field}={fields[field](number, day)}" for field, number in values.items())
        found.append(Point(time, frozenset(named), f"{key} {cells} {time}"))
    return begin, found


def escaped(name: str) -> str:
    """Return a name of a tag or a value as line protocol spells it."""
    return name.replace(",", "\\,").replace(" ", "\\ ")


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    """Draw where a read begins and ends, in nanoseconds from the begin of the data."""
    hours = st.integers(-30, (DAYS + 2) * 24)
    start, stop = sorted(draw(st.lists(hours, min_size=2, max_size=2, unique=True)))
    return start * HOUR + draw(st.sampled_from([0, 0, 1, 17 * MINUTE])), stop * HOUR + MINUTE


def stored(store: Store, drawn: Sequence[Point]) -> str:
    """Store points under a measurement of their own, and return its name."""
    msname = f"m{uuid.uuid4().hex}"
    if drawn:
        store.write(*(f"{msname}{point.line}" for point in drawn))
    return msname


def tags_within(drawn: Sequence[Point], start: int, stop: int) -> list[str]:
    """Return the tags of all series that have a point in a half-open range."""
    return sorted({tag for point in drawn if start <= point.time < stop for tag in point.tags})


@st.composite
def meters(draw: st.DrawFn) -> list[list[tuple[int, int]]]:
    """Draw minutes and totals of up to three meters over a week, with gaps and resets."""
    drawn = []
    for _ in range(draw(st.integers(1, 3))):
        at, total = draw(st.integers(-2_000, 4_000)), draw(st.integers(0, 900))
        totals = []
        for _ in range(draw(st.integers(0, 30))):
            totals.append((at, total))
            at += draw(st.sampled_from([1, 7, 30, 60, 200, 1_500]))
            total = (
                draw(st.integers(0, 50)) if draw(st.integers(0, 6)) == 0 else total + draw(st.integers(0, 40))
            )
        drawn.append(totals)
    return drawn


def meter_points(drawn: Sequence[Sequence[tuple[int, int]]], kind: str) -> list[Point]:
    """Return the totals of meters as points of a type, told by the suffix of its numbers."""
    return [
        Point(time, frozenset({"meter"}), f",meter={number} e={total}{kind} {time}")
        for number, totals in enumerate(drawn)
        for at, total in totals
        for time in [SPRING + at * MINUTE]
    ]
