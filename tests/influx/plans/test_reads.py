"""Plans of reads: what they ask in which order, and what they make of the answers."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from db_core.errors import NotFoundError, ParseError, QueryError, SchemaConflictError
from db_influx._steps import Ask, AskJson
from db_influx.plans import last_point, read
from db_influx.plans.consumption import consumption_spec
from db_influx.plans.schema import Databases
from tests.influx.plans.played import DAY, HOUR, SECOND, T0, Played, csv, knows, options, selection

TIME, FLOAT, TEXT = "dateTime:RFC3339", "double", "string"
FROM_B = 'from(bucket: "b") |> range(start: 2026-01-01T00:00:00.000000000Z, '
TO_DAY_2 = f"{FROM_B}stop: 2026-01-02T00:00:00.000000000Z) "
OF_M = '|> filter(fn: (r) => r._measurement == "m") '
OF_V = f'{OF_M}|> filter(fn: (r) => r["_field"] == "v") '
POINTS = {"_time": TIME, "_value": FLOAT}
SERIES = {"_time": TIME, "_value": FLOAT, "_field": TEXT, "meter": TEXT}


def points(*values: float) -> bytes:
    """Return an answer of points, a second apart from 2026-01-01 on."""
    return csv(POINTS, *((f"2026-01-01T00:00:{second:02}Z", value) for second, value in enumerate(values)))


def stamps(frame: pd.DataFrame) -> list[int]:
    """Return the times of a frame in nanoseconds."""
    index = frame.index
    return [int(stamp.value) for stamp in (index if index.nlevels == 1 else index.get_level_values("time"))]


def test_a_read_asks_for_the_mapping_the_types_and_the_points_in_this_order() -> None:
    """The points alone are asked in Flux; the frame holds them in order of time."""
    played = Played(*knows(v="float"), [points(1.5, 2.5)])

    frame = played.run(read.stored(Databases(), selection("v"), options()))

    assert [
        AskJson("api/v2/buckets", (("name", "b"),)),
        AskJson("api/v2/dbrps", (("bucketID", "0b"),)),
        AskJson("api/v2/orgs", (("org", ""), ("orgID", ""), ("limit", "100"))),
        AskJson(
            "query",
            form=(
                ("db", "b"),
                ("rp", "rp"),
                ("epoch", "ns"),
                ("q", "SHOW FIELD KEYS FROM $p0"),
                ("params", '{"p0": {"ident": "m"}}'),
            ),
        ),
    ] == played.steps[:4]
    assert [
        [f'{TO_DAY_2}{OF_V}|> drop(columns: ["_start", "_stop", "_measurement", "_field"])']
    ] == played.flux
    assert [1.5, 2.5] == frame["v"].tolist()
    assert [T0, T0 + SECOND] == stamps(frame)


def test_a_second_read_of_a_bucket_asks_for_no_mapping() -> None:
    """It is known for a minute."""
    databases = Databases()
    Played(*knows(v="float"), [points(1.5)]).run(read.stored(databases, selection("v"), options()))
    played = Played(knows(v="float")[3], [points(2.5)])

    assert [2.5] == played.run(read.stored(databases, selection("v"), options()))["v"].tolist()
    assert ["AskJson", "Ask"] == played.kinds


def test_a_long_read_is_asked_in_slices_at_once() -> None:
    """Four days in four parts: one step, whose answers make one frame."""
    parts = [csv(POINTS, (f"2026-01-0{day}T12:00:00Z", day)) for day in (1, 2, 3, 4)]
    played = Played(*knows(v="float"), parts)

    frame = played.run(read.stored(Databases(), selection("v", days=4), options()))

    step = played.steps[-1]
    assert isinstance(step, Ask)
    assert 4 == step.at_once
    ranges = [text.split("range(")[1].split(")")[0] for text in played.flux[0]]
    assert [
        f"start: 2026-01-0{day}T00:00:00.000000000Z, stop: 2026-01-0{day + 1}T00:00:00.000000000Z"
        for day in (1, 2, 3, 4)
    ] == ranges
    assert [1.0, 2.0, 3.0, 4.0] == frame["v"].tolist()


def test_tags_that_differ_are_levels() -> None:
    """Two series in one answer: their tag is a level of the index."""
    rows = [("2026-01-01T00:00:00Z", 1, "v", "a"), ("2026-01-01T00:00:00Z", 2, "v", "b")]
    played = Played(*knows(v="float"), [csv(SERIES, *rows, group=("_field", "meter"))])

    frame = played.run(read.stored(Databases(), selection("v"), options()))

    assert {("a", pd.Timestamp(T0, tz="UTC")): 1.0, ("b", pd.Timestamp(T0, tz="UTC")): 2.0} == frame[
        "v"
    ].to_dict()


def test_an_unknown_field_is_warned_of_with_what_is_near() -> None:
    """Where something else was found, no list of names is asked for."""
    played = Played(*knows(power="float"), [points()])

    frame = played.run(read.stored(Databases(), selection("powr"), options()))

    assert 0 == len(frame)
    assert ["no field 'powr' in 'm'; there is 'power'"] == played.warnings


def test_an_unknown_measurement_is_looked_for_or_an_error() -> None:
    """With missing="raise" the plan raises what it would warn of; with "ignore" it asks nothing more."""
    names = [csv({"_value": TEXT}, ("mm",))]
    empty = [csv(POINTS)]
    played = Played(*knows(), empty, names)
    with pytest.raises(NotFoundError, match="no measurement 'm' in bucket 'b'; there is 'mm'"):
        played.run(read.stored(Databases(), selection("v"), options(missing="raise")))

    assert 0 == len(
        Played(*knows(), empty).run(read.stored(Databases(), selection("v"), options(missing="ignore")))
    )


def test_a_field_of_two_types_is_counted_before_it_is_read() -> None:
    """InfluxQL counts three points where Flux counts two: the read would lose one, and is refused."""
    counts = csv({"_field": TEXT, "_value": "long"}, ("v", 2))
    stored = {"results": [{"series": [{"values": [[0, 3, 0]]}]}]}
    played = Played(*knows(v="float string"), stored, [counts])

    with pytest.raises(SchemaConflictError, match="leave out 1 of its 3 points"):
        played.run(read.stored(Databases(), selection("v"), options()))

    form = dict(played.steps[4].form)
    asked = "SELECT count($p0::float), count($p1::string) FROM $p2 WHERE time >= $p3 AND time < $p4"
    bound = {"p0": {"ident": "v"}, "p1": {"ident": "v"}, "p2": {"ident": "m"}, "p3": T0, "p4": T0 + DAY}
    assert (asked, bound) == (form["q"], json.loads(form["params"]))


def test_means_per_window_are_asked_of_the_storage_engine() -> None:
    """One query with aggregateWindow; with `create_empty` the windows without points are nulls."""
    means = csv(POINTS, ("2026-01-01T06:00:00Z", 1.5), ("2026-01-01T18:00:00Z", 2.5))
    chosen, call = selection("v"), options()
    spec = read.downsample_spec(chosen, "6h", "mean", "stop", call, create_empty=True)
    played = Played(*knows(v="float"), [means])

    frame = played.run(read.downsampled(Databases(), chosen, spec, call))

    assert [T0 + number * 6 * HOUR for number in (1, 2, 3, 4)] == stamps(frame)
    assert [1.5, None, 2.5, None] == [None if pd.isna(value) else value for value in frame["v"].tolist()]
    [[text]] = played.flux
    assert text.startswith(f"{TO_DAY_2}{OF_V}|> aggregateWindow(every: ")
    assert 'fn: mean, createEmpty: false, timeSrc: "_stop")' in text


def test_a_median_is_worked_out_of_the_points() -> None:
    """The server is asked for points, and the native crate for the median."""
    chosen, call = selection("v"), options()
    spec = read.downsample_spec(chosen, "1d", "median", "start", call, create_empty=False)
    rows = [(f"2026-01-01T00:00:0{second}Z", value, "v") for second, value in enumerate((1.0, 9.0, 2.0))]
    played = Played(*knows(v="float"), [csv({**POINTS, "_field": TEXT}, *rows, group=("_field",))])

    frame = played.run(read.downsampled(Databases(), chosen, spec, call))

    assert ([T0], [2.0]) == (stamps(frame), frame["v"].tolist())
    assert "aggregateWindow" not in played.flux[0][0]


def test_a_mean_of_integers_that_may_overflow_is_asked_again_by_its_points() -> None:
    """Two values of 2**62 each have no sum of 64 bits: the extremes say so, and the points are read."""
    big = 1 << 62
    extremes = b"".join(
        csv({"_value": "long", "_field": TEXT}, (value, "v"), group=("_field",)).replace(b"_result", result)
        for result, value in ((b"min", big), (b"max", big), (b"count", 2))
    )
    rows = [(f"2026-01-01T00:00:0{second}Z", big, "v") for second in (0, 1)]
    kinds = {"_time": TIME, "_value": "long", "_field": TEXT}
    chosen, call = selection("v"), options()
    spec = read.downsample_spec(chosen, "1d", "mean", "stop", call, create_empty=False)
    played = Played(*knows(v="integer"), [csv(POINTS), extremes], [csv(kinds, *rows, group=("_field",))])

    frame = played.run(read.downsampled(Databases(), chosen, spec, call))

    assert [float(big)] == frame["v"].tolist()
    assert [2, 1] == [len(asked) for asked in played.flux]


TOTALS = {"_time": TIME, "_value": "long"}
# A window that holds its right edge is asked for a nanosecond late, and so labelled.
NOON, MIDNIGHT = "2026-01-01T12:00:00.000000001Z", "2026-01-02T00:00:00.000000001Z"


def test_consumption_is_the_difference_of_totals() -> None:
    """Asked in one step: the last before, the first, the totals and the lows. 5, then 7, then 12."""
    before = csv(TOTALS, ("2025-12-31T23:00:00Z", 5))
    first = csv(TOTALS, ("2026-01-01T01:00:00Z", 6))
    totals = csv(TOTALS, (NOON, 7), (MIDNIGHT, 12))
    lows = csv(TOTALS, (NOON, 6), (MIDNIGHT, 8))
    chosen, call = selection("v"), options()
    spec = consumption_spec(chosen, ("12h", "timestep"), {}, call)
    played = Played(*knows(v="integer"), [before, first, totals, lows])

    frame = played.run(read.accumulated(Databases(), chosen, spec, call))

    assert ([T0 + 12 * HOUR, T0 + DAY], [2, 5]) == (stamps(frame), frame["v"].tolist())


def test_a_fall_is_looked_at_point_by_point() -> None:
    """With on_reset="restart" a second step asks for the points of the window in which the total fell."""
    before = csv(TOTALS, ("2025-12-31T23:00:00Z", 5))
    first = csv(TOTALS, ("2026-01-01T01:00:00Z", 9))
    totals = csv(TOTALS, (NOON, 3), (MIDNIGHT, 4))
    lows = csv(TOTALS, (NOON, 1), (MIDNIGHT, 4))
    fallen = csv(
        TOTALS, ("2026-01-01T01:00:00Z", 9), ("2026-01-01T02:00:00Z", 1), ("2026-01-01T03:00:00Z", 3)
    )
    chosen, call = selection("v"), options()
    spec = consumption_spec(chosen, ("12h", "timestep"), {"on_reset": "restart", "max_rate": 100}, call)
    played = Played(*knows(v="integer"), [before, first, totals, lows], [fallen])

    frame = played.run(read.accumulated(Databases(), chosen, spec, call))

    assert [7, 1] == frame["v"].tolist()  # 5 to 9, then 0 to 3; then 3 to 4
    [text] = played.flux[1]
    assert "range(start: 2026-01-01T00:00:00.000000001Z, stop: 2026-01-01T12:00:00.000000001Z)" in text


def test_the_mean_of_a_range_has_its_newest_time() -> None:
    """One query with two results; with integers another one for their extremes, which may need a second."""
    newest = csv({"_time": TIME, "_field": TEXT}, ("2026-01-01T05:00:00Z", "v"), group=("_field",))
    mean = csv({"_value": FLOAT, "_field": TEXT}, (2.5, "v"), group=("_field",))
    answer = newest.replace(b"_result", b"0") + mean.replace(b"_result", b"1")
    played = Played(*knows(v="float"), [answer])

    frame = played.run(read.last_mean(Databases(), selection("v"), options()))

    assert ([T0 + 5 * HOUR], [2.5]) == (stamps(frame), frame["v"].tolist())


def newest(*rows: tuple[str, float, str]) -> list[bytes]:
    """Return the reply to a question for last points."""
    return [csv({**POINTS, "_field": TEXT}, *rows, group=("_field",))]


def test_a_last_point_is_looked_for_further_and_further_back() -> None:
    """The last hour has one field, the day the other; the month is not asked. Each asks for what is left."""
    now = T0 + DAY
    replies = [newest(("2026-01-01T23:30:00Z", 1.5, "a")), newest(("2026-01-01T02:00:00Z", 2.5, "b"))]
    played = Played(*knows(a="float", b="float"), *replies)

    found = played.run(
        last_point.last_point(Databases(), selection("b", "a"), now, options(), with_time=False)
    )

    assert [("b", 2.5), ("a", 1.5)] == list(found.items())
    assert ["2026-01-01T23:00:00", "2026-01-01T00:00:00"] == [
        text.split("start: ")[1][:19] for [text] in played.flux
    ]
    assert [True, False] == ['"a"' in text for [text] in played.flux]


def test_a_last_point_has_its_time_and_the_newest_series_wins() -> None:
    """Of two series the later value; a field without any is absent."""
    rows = newest(("2026-01-01T23:30:00Z", 1.5, "v"), ("2026-01-01T23:40:00Z", 2.5, "v"))
    nothing = [csv({**POINTS, "_field": TEXT})]
    played = Played(*knows(v="float", w="float"), rows, nothing, nothing, nothing)

    found = played.run(
        last_point.last_point(Databases(), selection("v", "w"), T0 + DAY, options(), with_time=True)
    )

    assert {"v": (pd.Timestamp("2026-01-01T23:40:00Z"), 2.5)} == found


def test_last_points_are_a_row_for_each_series() -> None:
    """Each field's newest; the row has the newest time."""
    kinds = {**POINTS, "_field": TEXT, "meter": TEXT}
    rows = [
        ("2026-01-01T00:00:01Z", 1.5, "v", "a"),
        ("2026-01-01T00:00:02Z", 2.5, "w", "a"),
        ("2026-01-01T00:00:03Z", 3.5, "v", "b"),
    ]
    played = Played(*knows(v="float", w="float"), [csv(kinds, *rows, group=("_field", "meter"))])

    frame = played.run(last_point.last_points(Databases(), selection("v", "w"), options()))

    assert [T0 + 2 * SECOND, T0 + 3 * SECOND] == stamps(frame)
    assert [1.5, 3.5] == frame["v"].tolist()
    assert 2.5 == frame["w"].tolist()[0]


PLANS: dict[str, Any] = {
    "stored": lambda: read.stored(Databases(), selection("v"), options()),
    "downsampled": lambda: read.downsampled(
        Databases(),
        selection("v"),
        read.downsample_spec(selection("v"), "1h", "mean", "stop", options(), create_empty=False),
        options(),
    ),
    "accumulated": lambda: read.accumulated(
        Databases(),
        selection("v"),
        consumption_spec(selection("v"), ("1h", "timestep"), {}, options()),
        options(),
    ),
    "last_mean": lambda: read.last_mean(Databases(), selection("v"), options()),
    "last_point": lambda: last_point.last_point(
        Databases(), selection("v"), T0 + DAY, options(), with_time=False
    ),
    "last_points": lambda: last_point.last_points(Databases(), selection("v"), options()),
}
each_plan = pytest.mark.parametrize("plan", PLANS)


@each_plan
@pytest.mark.parametrize("step", range(4))
def test_an_error_of_a_step_is_the_plans(plan: str, step: int) -> None:
    """Whichever step it is: the bucket, the mapping, the types or the points. Nothing more is asked."""
    error = QueryError("the server's own words", code=None, status=400)
    played = Played(*knows(v="float")[:step], error)

    with pytest.raises(QueryError) as caught:
        played.run(PLANS[plan]())

    assert error is caught.value
    assert step + 1 == len(played.steps)


@each_plan
@pytest.mark.parametrize("step", range(4))
def test_a_plan_that_is_closed_early_ends(plan: str, step: int) -> None:
    """As a wire closes it where a call is cancelled: it asks for nothing more."""
    steps = PLANS[plan]()
    replies = [None, *knows(v="float")]
    for reply in replies[: step + 1]:
        steps.send(reply)

    steps.close()

    with pytest.raises(StopIteration):
        next(steps)


@pytest.mark.parametrize(
    ("place", "reply"),
    [(0, {"buckets": [{"name": "b"}]}), (1, {"content": 7}), (2, {"results": [{"series": 7}]})],
)
def test_a_reply_of_another_shape_is_told(place: int, reply: object) -> None:
    """JSON that is not as InfluxDB's is no KeyError."""
    replies = knows(v="float")[:place]
    with pytest.raises(ParseError, match=r"expected the JSON of InfluxDB 2\.x"):
        Played(*replies, reply).run(read.stored(Databases(), selection("v"), options()))


def test_a_bucket_that_influxql_does_not_know_is_warned_of_and_read() -> None:
    """A mapping leads elsewhere: no types are known, and the points are asked for all the same."""
    played = Played({"buckets": []}, [points(1.5)])
    assert [1.5] == played.run(read.stored(Databases(), selection("v"), options()))["v"].tolist()
    assert [] == played.warnings  # the query itself would tell

    virtual = {"content": [{"database": "b", "retention_policy": "rp", "virtual": True, "bucketID": "0b"}]}
    hidden = {"content": [{"database": "b", "retention_policy": "rp", "virtual": False, "bucketID": "0c"}]}
    bucket = knows()[0]
    played = Played(bucket, virtual, hidden, [points(2.5)])
    assert [2.5] == played.run(read.stored(Databases(), selection("v"), options()))["v"].tolist()
    assert 1 == len(played.warnings)
    assert "InfluxQL knows bucket 'b' by no name of its own" in played.warnings[0]
