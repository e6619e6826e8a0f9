"""Which points consumption asks for where totals do not tell enough: those in doubt, in few queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import DatabaseError
from db_core.meter import Doubt, Unsettled
from db_influx._flux import Selection
from db_influx._options import Options
from db_influx._steps import Ask
from db_influx.plans.consumption import _stretches, _Window, consumption, consumption_spec
from tests.influx.meter import HOUR, MINUTE, T0, Meter

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

RESET = [(0, 100), (70, 113), (80, 5), (110, 20), (130, 30)]  # worth 13 + 5 + 15 in the second hour


class Asked:
    """Reads consumption from 0 to 24 o'clock, and counts the rows of each question."""

    def __init__(self, manager: InfluxManager, store: Store, msname: str) -> None:
        self._manager = manager
        self._selection = Selection(store.name, msname, ("e", "x"), (), T0, T0 + 24 * HOUR)
        self.rows: list[int] = []
        self.queries: list[int] = []

    def read(self, by: Sequence[str] | None = None, **keywords: Any) -> dict[str, list[Any]]:
        """Return the frame's columns."""
        options = Options.of(by=by) if by is not None else Options()
        hours = consumption_spec(self._selection, ("1h", "timestep"), keywords, options)  # type: ignore[arg-type]
        plan = self._counted(consumption(self._selection, hours, None, {}, options))
        return self._manager._run(plan, options, "read").to_pydict()  # type: ignore[no-any-return]

    def _counted(self, plan: Any) -> Generator[Any, Any, Any]:
        """Do the steps of a plan, and count what it asks."""
        reply: Any = None
        failure: Exception | None = None
        try:
            while True:
                step = plan.send(reply) if failure is None else plan.throw(failure)
                reply = failure = None
                try:
                    reply = yield step
                except DatabaseError as error:
                    failure = error
                if isinstance(step, Ask):
                    self.queries.append(len(step.queries))
                    self.rows.append(sum(answer.rows for answer in reply))
        except StopIteration as end:
            return end.value


@pytest.fixture
def asked(manager: InfluxManager, store: Store, msname: str) -> Asked:
    """Give what reads the test's measurement."""
    return Asked(manager, store, msname)


def minutes(store: Store, msname: str, tags: str, hours: range = range(24)) -> None:
    """Store a total each minute: of `e` and of `x`."""
    at = range(60 * hours.start, 60 * hours.stop)
    store.write(*(f"{msname}{tags} e={minute}i,x={minute}i {T0 + minute * MINUTE}" for minute in at))


def test_only_the_series_and_the_field_in_doubt_are_read_by_point(
    store: Store, msname: str, asked: Asked
) -> None:
    """Of twenty meters one begins anew: its points of one hour, whatever tags it has or lacks."""
    for number in range(19):
        minutes(store, msname, f",meter={number},site=north")
    Meter(store, msname).write(RESET, tags=",meter=19")

    found = asked.read(on_reset="restart")

    assert [1, 3] == [asked.queries[1], asked.rows[1]]
    of_it = [value for meter, value in zip(found["meter"], found["e"], strict=True) if meter == "19"]
    assert [13 + 5 + 15, 10] == of_it


def test_a_series_without_a_tag_is_told_from_those_that_have_it(
    store: Store, msname: str, asked: Asked
) -> None:
    """Else the points of all others would come, or none."""
    minutes(store, msname, ",meter=a")
    minutes(store, msname, ",site=north")
    Meter(store, msname).write(RESET)

    found = asked.read(on_reset="restart")

    assert 3 == asked.rows[1]
    rows = zip(found["meter"], found["site"], found["e"], strict=True)
    assert [13 + 5 + 15, 10] == [value for meter, site, value in rows if meter is None and site is None]


def test_meters_with_the_same_windows_in_doubt_share_a_question(
    store: Store, msname: str, asked: Asked
) -> None:
    """And those with other windows have their own; neighbouring windows are one stretch."""
    minutes(store, msname, ",meter=a")
    meter = Meter(store, msname)
    meter.write(RESET, tags=",meter=b")
    meter.write(RESET, tags=",meter=c")
    meter.write([(0, 100), (70, 5), (130, 3), (400, 1)], tags=",meter=d")

    found = asked.read(on_reset="restart")

    # b and c in the second hour; d in the second and third, and in the seventh.
    assert [3, 2 * 3 + 2 + 1] == [asked.queries[1], asked.rows[1]]
    values: dict[str, list[int]] = {}
    for name, value in zip(found["meter"], found["e"], strict=True):
        values.setdefault(name, []).append(value)
    assert {"b": [33, 10], "c": [33, 10], "d": [5, 3, 1]} == {name: values[name] for name in "bcd"}


def test_of_a_meter_with_a_tag_that_changes_all_series_are_read(
    store: Store, msname: str, asked: Asked
) -> None:
    """Its points are in several, and each window takes those of all."""
    minutes(store, msname, ",meter=a,firmware=1")
    meter = Meter(store, msname)
    meter.write([(0, 100), (70, 113)], tags=",meter=b,firmware=1")
    meter.write([(80, 5), (110, 20), (130, 30)], tags=",meter=b,firmware=2")

    found = asked.read(by=["meter"], on_reset="restart")

    assert [13 + 5 + 15, 10] == [v for m, v in zip(found["meter"], found["e"], strict=True) if m == "b"]
    # The other meter has the firmware 1, but not the name.
    assert 3 == asked.rows[1]


def test_a_tag_that_answers_change_is_read_all_the_same(store: Store, msname: str, asked: Asked) -> None:
    """InfluxDB's CSV leaves out a carriage return, so that a condition on what came finds nothing."""
    minutes(store, msname, ",meter=a")
    Meter(store, msname).write(RESET, tags=",meter=b\rc")

    found = asked.read(on_reset="restart")

    assert [13 + 5 + 15, 10] == [v for m, v in zip(found["meter"], found["e"], strict=True) if m != "a"]
    assert [0, 60 + 3] == asked.rows[1:]


def test_the_tag_that_the_server_takes_for_the_value_is_no_condition(
    store: Store, msname: str, asked: Asked
) -> None:
    """InfluxDB's storage calls the value `$`; the points of more series come, and do no harm."""
    minutes(store, msname, ",$=a")
    Meter(store, msname).write(RESET, tags=",$=b")

    found = asked.read(on_reset="restart")

    assert [13 + 5 + 15, 10] == [v for m, v in zip(found["$"], found["e"], strict=True) if m == "b"]


def test_many_meters_in_doubt_are_few_questions(
    manager: InfluxManager, store: Store, msname: str, asked: Asked
) -> None:
    """Forty meters begin anew in hours of their own: few questions, and each point comes once."""
    meter = Meter(store, msname)
    for number in range(40):
        totals = [(minute, (minute * (number + 3)) % (700 + 37 * number)) for minute in range(0, 24 * 60, 10)]
        meter.write(totals, tags=f",meter={number:03},site={number % 7}")

    found = asked.read(on_reset="restart")

    assert asked.queries[1] <= 64
    alone = [
        meter.read(manager, on_reset="restart", tags={"meter": f"{n:03}"})["e"].tolist() for n in range(40)
    ]
    assert [value for values in alone for value in values] == found["e"]


def test_meters_in_doubt_in_one_hour_share_a_question(store: Store, msname: str, asked: Asked) -> None:
    """A hundred meters begin anew, in 22 of the hours: those of one hour are asked for together."""
    meter = Meter(store, msname)
    for number in range(100):
        at = 65 + 13 * number
        meter.write([(0, 100), (at, 7), (at + 60, 9)], tags=f",meter={number:03}")

    found = asked.read(on_reset="restart")

    assert 22 == asked.queries[1]
    assert [7, 2] * 100 == found["e"]


def unsettled(doubts: Iterable[tuple[str, Iterable[int], Iterable[int]]], series: int = 200) -> Unsettled:
    """Give doubts about windows of an hour, told by their number."""
    return Unsettled(
        ["meter"],
        [[str(number)] for number in range(series)],
        [Doubt(field, list(of), [hour * HOUR for hour in hours]) for field, of, hours in doubts],
    )


@pytest.mark.parametrize(
    ("doubts", "expected"),
    [
        ([], []),
        ([("e", [0], [1, 2, 9])], [(0, 2, "e", {0}), (8, 9, "e", {0})]),
        # Half of its points or more are wanted.
        ([("e", [0], [1, 2, 5])], [(0, 5, "e", {0})]),
        ([("e", [0], [1]), ("x", [0], [1]), ("e", [3], [1])], [(0, 1, "ex", {0, 3})]),
        # No two of them hold a point: it would come twice.
        ([("e", [0], [1, 2, 3, 4]), ("e", range(9), [4])], [(0, 3, "e", {0}), (3, 4, "e", set(range(9)))]),
        # 65 of them: the two are joined that cost the least more points.
        (
            [("e", [n], [10 * n]) for n in range(1, 65)] + [("x", [65], [643])],
            [(10 * n - 1, 10 * n, "e", {n}) for n in range(1, 64)] + [(639, 643, "ex", {64, 65})],
        ),
    ],
)
def test_windows_in_doubt_are_asked_for_in_stretches(doubts: Any, expected: list[Any]) -> None:
    """Side by side in one, of the fields and series that have them, and no more than 64."""
    found = unsettled(doubts)
    windows = {hour * HOUR: _Window(hour * HOUR, (hour - 1) * HOUR, hour * HOUR) for hour in range(700)}

    stretches = [
        (part.start // HOUR, part.stop // HOUR, "".join(sorted(part.fields)), set(part.series))
        for part in _stretches(found, windows)
    ]

    assert expected == stretches
