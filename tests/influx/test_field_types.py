"""A field that has another type in another shard: every read gives all of its points, or raises an error."""

from __future__ import annotations

import uuid
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from influxdb_client import BucketRetentionRules, DBRPCreate, DBRPsService, InfluxDBClient, Permission
from influxdb_client.domain.permission_resource import PermissionResource

from db_core.errors import InvalidArgumentError, NotFoundError, SchemaConflictError
from tests.influx.conftest import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import InfluxManager
    from tools import servers

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000_000_000
DAY = 24 * HOUR
WEEK = 7 * DAY
SPELLED: dict[str, Callable[[int], str]] = {
    "float": lambda number: f"{number}.0",
    "integer": lambda number: f"{number}i",
    "unsigned": lambda number: f"{number}u",
    "string": lambda number: f'"{number}"',
    "boolean": lambda number: "true" if number % 2 else "false",
}
KEPT: dict[str, Callable[[int], object]] = {
    "float": float,
    "integer": int,
    "unsigned": int,
    "string": str,
    "boolean": lambda number: number % 2 == 1,
}
NUMBERS = {"float", "integer", "unsigned"}


class Point(NamedTuple):
    """A point of field v as it is written: a number that is spelled as the type wants it."""

    meter: str
    time: int
    kind: str
    number: int

    @property
    def line(self) -> str:
        """Its line of line protocol."""
        return f"m,meter={self.meter} v={SPELLED[self.kind](self.number)} {self.time}"


@contextmanager
def bucket(official: InfluxDBClient, shard: int | None = None) -> Iterator[Store]:
    """Give a bucket whose shards are so many seconds long; without, a week."""
    rules = BucketRetentionRules(type="expire", every_seconds=0, shard_group_duration_seconds=shard)
    made = official.buckets_api().create_bucket(
        bucket_name=f"test-{uuid.uuid4()}", retention_rules=[rules] if shard else None
    )
    try:
        yield Store(made.name, made.id, official)
    finally:
        official.buckets_api().delete_bucket(made)


# --- Two types ----------------------------------------------------------------


def two_types(first: str, second: str, *, apart: int = 4 * WEEK) -> list[Point]:
    """Give five points of one type, and four of another some shards later, of one series."""
    return [
        *(Point("a", T0 + number * HOUR, first, number) for number in range(5)),
        *(Point("a", T0 + apart + number * HOUR, second, number) for number in range(5, 9)),
    ]


SPAN: dict[str, Any] = {"start": "2025-12-31", "stop": "2026-03-01", "msname": "m", "fields": "v"}


@pytest.mark.parametrize("max_parallel", [1, 4])
@pytest.mark.parametrize(("first", "second"), list(permutations(sorted(NUMBERS), 2)))
def test_stored_points_of_two_types_are_all_read(
    manager: InfluxManager, own_store: Store, first: str, second: str, max_parallel: int
) -> None:
    """Within one series, as float64, however many slices a read is cut into."""
    own_store.write(*(point.line for point in two_types(first, second)))

    frame = manager.read(**SPAN, bucket=own_store.name, interval=None, max_parallel=max_parallel)
    whole = manager.read_all_fields("2025-12-31", "2026-03-01", "m", own_store.name)

    assert [float(number) for number in range(9)] == frame["v"].tolist()
    assert "float64" == frame["v"].dtype
    assert frame["v"].tolist() == whole["v"].tolist()


def test_integers_that_no_float_holds_are_a_conflict(manager: InfluxManager, own_store: Store) -> None:
    """The error names the value that a float can't hold, and no read rounds."""
    own_store.write(f"m v={2**53 + 1}i {T0}", f"m v=0.5 {T0 + 4 * WEEK}")

    with pytest.raises(SchemaConflictError, match="a float can't hold 9007199254740993 exactly"):
        manager.read(**SPAN, bucket=own_store.name, interval=None)


@pytest.mark.parametrize(("first", "second"), list(permutations(SPELLED, 2)))
def test_what_can_not_be_read_whole_is_a_conflict(
    manager: InfluxManager, own_store: Store, first: str, second: str
) -> None:
    """Windows and batches name the field and its types; a part of the points is never an answer."""
    own_store.write(*(point.line for point in two_types(first, second)))
    span = {**SPAN, "bucket": own_store.name}
    types = " and ".join(sorted((first, second)))

    for function in ("count", "first", ["count", "mode"], "last"):
        with pytest.raises(SchemaConflictError, match=f"'v' of 'm' (has the types|was written as) {types}"):
            manager.read(**span, interval="1h", agg_func=function)
    with pytest.raises(SchemaConflictError, match=f"'v' of 'm' has the types {types}"):
        next(manager.read_batches(**span))
    with pytest.raises(SchemaConflictError, match=types):
        manager.read_last_data_points(own_store.name, "m", "v")
    with pytest.raises(SchemaConflictError, match=types):
        manager.read_last_data_point(own_store.name, "m", "v")
    if {first, second} - NUMBERS:
        pair = rf"({first}|{second}) in series \{{.*\}} and ({first}|{second}) in series \{{.*\}} .*"
        advice = "Read parts of the range in which it has one type, or write it again with one type"
        with pytest.raises(SchemaConflictError, match=f'column "v": {pair}{advice}'):
            manager.read(**span, interval=None)


@pytest.mark.parametrize(
    ("first", "second"), [("integer", "float"), ("float", "string"), ("boolean", "unsigned")]
)
def test_a_range_with_one_type_is_read(
    manager: InfluxManager, own_store: Store, first: str, second: str
) -> None:
    """What another range holds does not matter, and the values keep their own type."""
    points = two_types(first, second)
    own_store.write(*(point.line for point in points))
    ranges = [("2025-12-31", "2026-01-03", points[:5]), ("2026-01-28", "2026-03-01", points[5:])]

    for start, stop, there in ranges:
        expected = [KEPT[point.kind](point.number) for point in there]
        asked = {**SPAN, "start": start, "stop": stop, "bucket": own_store.name}
        assert expected == manager.read(**asked, interval=None)["v"].tolist()
        assert expected == manager.read(**asked, interval="1h", agg_func="first", label="start")["v"].tolist()
        assert [1] * len(there) == manager.read(**asked, interval="1h", agg_func="count")["v"].tolist()
        [batch] = manager.read_batches(**asked)
        assert expected == batch["v"].tolist()
        if there[0].kind in NUMBERS:
            functions = ["mean", "median", "sum"]
            middle = manager.read(**asked, interval="1h", agg_func=functions)
            assert [[float(point.number)] * 3 for point in there] == middle.to_numpy().tolist()
        else:
            with pytest.raises(InvalidArgumentError, match=rf"'mean' needs numbers.* {there[0].kind}\."):
                manager.read(**asked)


def test_integers_overflow_by_the_type_that_they_have_there(manager: InfluxManager, own_store: Store) -> None:
    """A field that is unsigned elsewhere has the sums and means of signed integers here."""
    own_store.write(*(f"m v={2**62}i {T0 + place}" for place in range(3)), f"m v=1u {T0 + 4 * WEEK}")
    asked = {**SPAN, "stop": "2026-01-03", "bucket": own_store.name}

    assert [float(2**62)] == manager.read(**asked)["v"].tolist()
    with pytest.raises(InvalidArgumentError, match="64 bits"):
        manager.read(**asked, agg_func="sum")


def test_two_fields_with_two_types_of_which_one_is_not_in_the_range(
    manager: InfluxManager, own_store: Store
) -> None:
    """A field of several types without a point in the range is a column of nulls."""
    own_store.write(f"m v=1i {T0}", f"m v=0.5 {T0 + 4 * WEEK}")
    own_store.write(f'm w="on" {T0 + 8 * WEEK}', f"m w=true {T0 + 12 * WEEK}")
    asked = {**SPAN, "stop": "2026-01-03", "fields": ["v", "w"], "bucket": own_store.name}

    for frame in (manager.read(**asked, interval=None), manager.read(**asked, agg_func="first")):
        assert [1] == frame["v"].tolist()
        assert frame["w"].isna().all()


def test_the_shards_of_a_tag_named_as_the_field(manager: InfluxManager, own_store: Store) -> None:
    """A tag of the same name is not counted for the field."""
    own_store.write(f"m,v=x v=1i {T0}", f"m,v=x v=0.5 {T0 + 4 * WEEK}")

    assert [1.0, 0.5] == manager.read(**SPAN, bucket=own_store.name, interval=None)["v"].tolist()
    with pytest.raises(SchemaConflictError, match="leave out 1 of its 2 points"):
        manager.read(**SPAN, bucket=own_store.name, agg_func="count")


# --- Any layout ---------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """Points over some shards, in each of which the field has one type."""

    shard: int  # nanoseconds
    points: list[Point]
    start: int
    stop: int


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Give shards of an hour or a week, some of them empty, with points of up to two series."""
    shard = draw(st.sampled_from([HOUR, WEEK]))
    first = T0 - T0 % shard + (4 * DAY if shard == WEEK else 0)  # weeks of shards begin on Mondays
    kinds = draw(st.sampled_from([["integer", "float"], ["unsigned", "float", "integer"], list(SPELLED)]))
    points = []
    for place in draw(st.sets(st.integers(0, 11), min_size=1, max_size=5)):
        kind = draw(st.sampled_from(kinds))
        steps = draw(st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), min_size=1, max_size=5))
        # Totals that rise, and are near the edges of the shard too.
        points += [
            Point(meter, first + place * shard + shard * step // 100, kind, 100 * place + step)
            for meter, step in steps
        ]
    points.sort(key=lambda point: (point.meter, point.time))
    edges = sorted({0, 12, *draw(st.sets(st.integers(0, 12), max_size=2))})
    at = draw(st.integers(0, len(edges) - 2))
    begin, end = draw(st.sampled_from([(0, 12), (edges[at], edges[at + 1])]))
    return Layout(shard, points, first + begin * shard, first + end * shard)


def complete_or_refused(read: Callable[[], Any], kinds: set[str]) -> Any:
    """Give what a read gives, or None where a field of several types, or of text, is refused."""
    try:
        return read()
    except SchemaConflictError:
        assert len(kinds) > 1
    except InvalidArgumentError:
        assert kinds - NUMBERS
    return None


def rows(frame: pd.DataFrame) -> list[tuple[str, int, object]]:
    """Give meter, nanoseconds and value of each row."""
    frame = frame.reset_index()
    return list(zip(frame["meter"], frame["time"].astype("int64"), frame["v"], strict=True))


def any_layout(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test on layouts, each in a bucket of its own."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    limits = settings(max_examples=25, deadline=None, suppress_health_check=checks)
    return given(layout=layouts(), max_parallel=st.sampled_from([1, 4]))(limits(test))


@contextmanager
def stored(official: InfluxDBClient, layout: Layout) -> Iterator[Store]:
    """Give a bucket that holds a layout's points."""
    with bucket(official, layout.shard // 1_000_000_000) as store:
        store.write(*(point.line for point in layout.points))
        yield store


def span_of(layout: Layout, store: Store) -> dict[str, Any]:
    """Give the arguments of a read of a layout's range."""
    start, stop = (pd.Timestamp(time, unit="ns", tz="UTC") for time in (layout.start, layout.stop))
    return {**SPAN, "start": start, "stop": stop, "bucket": store.name, "by": "meter"}


@any_layout
def test_no_read_of_a_range_gives_a_part(
    manager: InfluxManager, official: InfluxDBClient, layout: Layout, max_parallel: int
) -> None:
    """Stored points, batches and windows over any shards are what was written, or SchemaConflictError."""
    there = [point for point in layout.points if layout.start <= point.time < layout.stop]
    kinds = {point.kind for point in there}
    expected = [(point.meter, point.time, KEPT[point.kind](point.number)) for point in there]
    with stored(official, layout) as store:
        span = span_of(layout, store)

        def asked(read: Callable[..., Any], **options: Any) -> Any:
            return complete_or_refused(lambda: read(**span, **options), kinds)

        raw = asked(manager.read, interval=None, max_parallel=max_parallel)
        batches = asked(lambda **options: list(manager.read_batches(**options)), batch_rows=2)
        count = asked(manager.read, agg_func="count", interval="1d", max_parallel=max_parallel)
        first = asked(manager.read, agg_func="first", interval="100y")
        mode = asked(manager.read, agg_func=["mode", "count"], interval=f"{layout.shard // 100}ns")

    assert raw is None or expected == rows(raw)
    assert raw is not None or kinds - NUMBERS, "numbers unify"
    assert batches is None or expected == sorted(row for batch in batches for row in rows(batch))
    assert count is None or len(expected) == count["v"].sum()
    firsts = {meter: value for meter, _, value in reversed(expected)}
    assert first is None or firsts == {meter: value for meter, _, value in rows(first)}
    held = [(meter, value) for meter, _, value in expected]
    assert mode is None or held == list(zip(mode.reset_index()["meter"], mode["v_mode"], strict=True))


@any_layout
def test_no_read_that_looks_back_gives_a_part(
    manager: InfluxManager, official: InfluxDBClient, layout: Layout, max_parallel: int
) -> None:
    """Last points, means and consumption over any shards are what was written, or SchemaConflictError."""
    kinds = {point.kind for point in layout.points}
    newest = {point.meter: (point.time, KEPT[point.kind](point.number)) for point in layout.points}
    with stored(official, layout) as store:
        span = span_of(layout, store)

        def asked(read: Callable[..., Any], *where: Any, **options: Any) -> Any:
            return complete_or_refused(lambda: read(*where, **options), kinds)

        last = asked(manager.read_last_data_points, store.name, "m", "v", by="meter")
        one = asked(manager.read_last_data_point, store.name, "m", "v")
        mean = asked(manager.read_average_value_in_seconds, store.name, "m", "v", "3000d", by="meter")
        used = asked(manager.read_accumulated_value, **span, timestep="1d", max_parallel=max_parallel)

    assert last is None or newest == {meter: (time, value) for meter, time, value in rows(last)}
    latest = max(time for time, _ in newest.values())
    assert one is None or one["v"] in [value for time, value in newest.values() if time == latest]
    means = pd.DataFrame(layout.points).groupby("meter")["number"].mean()
    assert mean is None or means.to_dict() == pytest.approx({meter: value for meter, _, value in rows(mean)})
    if used is not None:
        first = {point.meter: point.number for point in reversed(layout.points) if point.time > layout.start}
        begin = first | {point.meter: point.number for point in layout.points if point.time <= layout.start}
        within = [point for point in layout.points if layout.start < point.time <= layout.stop]
        expected = {point.meter: point.number - begin[point.meter] for point in within}
        got = used["v"].groupby(level="meter").sum().to_dict()
        assert expected == {meter: total for meter, total in got.items() if meter in expected}


# --- Where the types are known from -------------------------------------------


@contextmanager
def mapping(server: servers.InfluxDB, store: Store, database: str, policy: str) -> Iterator[None]:
    """Have a database and retention policy lead to a bucket."""
    service = DBRPsService(store.client.api_client)
    wanted = DBRPCreate(
        org=server.org, bucket_id=store.number, database=database, retention_policy=policy, default=True
    )
    made = service.post_dbrp(dbrp_create=wanted)
    try:
        yield
    finally:
        service.delete_dbrpid(dbrp_id=made.id, org=server.org)


def test_another_buckets_types_are_never_taken_for_ones_own(
    make_manager: Callable[..., InfluxManager],
    make_store: Callable[[str], Store],
    server: servers.InfluxDB,
) -> None:
    """A mapping that hides the bucket's own is told in a warning, and the points are read without types."""
    hidden, other = make_store("hidden-"), make_store("other-")
    hidden.write(f"m v=1.5 {T0}")
    other.write(f'm v="text",w=1 {T0}')

    with mapping(server, other, hidden.name, "autogen"):
        with pytest.warns(UserWarning, match=f"bucket '{hidden.name}' by no name.* Add a DBRP mapping"):
            frame = make_manager().read(**SPAN, bucket=hidden.name)
        assert [1.5] == frame["v"].tolist()
        with pytest.warns(UserWarning, match="another bucket"):
            frame = make_manager().read(**{**SPAN, "fields": "w"}, bucket=hidden.name, interval=None)
        assert 0 == len(frame)


def test_a_mapping_to_the_bucket_is_used(
    make_manager: Callable[..., InfluxManager],
    make_store: Callable[[str], Store],
    server: servers.InfluxDB,
) -> None:
    """Where another bucket has taken the name, an explicit mapping of another name tells the types."""
    hidden, other = make_store("hidden-"), make_store("other-")
    hidden.write(*(point.line for point in two_types("integer", "float")))
    other.write(f"m v=true {T0}")

    with (
        mapping(server, other, hidden.name, "autogen"),
        mapping(server, hidden, f"db-{hidden.name}", "a policy"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        manager = make_manager()
        assert 9 == len(manager.read(**SPAN, bucket=hidden.name, interval=None))
        with pytest.raises(SchemaConflictError, match="float and integer"):
            manager.read(**SPAN, bucket=hidden.name, agg_func="count")


def test_a_database_of_a_minute_ago_is_not_read_if_it_is_another_buckets_now(
    make_manager: Callable[..., InfluxManager], make_store: Callable[[str], Store], server: servers.InfluxDB
) -> None:
    """A bucket was renamed and kept its mapping; the one that has its name now is read and deleted from."""
    old, new = make_store("old-"), make_store("new-")
    old.write(f'm v="old" {T0}')
    new.write(f'm v="new" {T0}')

    def rename(store: Store, name: str) -> None:
        buckets = store.client.buckets_api()
        bucket = buckets.find_bucket_by_id(store.number)
        bucket.name = name
        buckets.update_bucket(bucket)

    def read(manager: InfluxManager) -> list[str]:
        return manager.read(**SPAN, bucket=old.name, interval=None)["v"].tolist()

    with (
        mapping(server, old, f"db-{old.name}", "a policy"),
        mapping(server, new, f"db-{new.name}", "a policy"),
    ):
        managers = [make_manager() for _ in range(3)]
        assert [["old"]] * 3 == [read(manager) for manager in managers]
        rename(old, f"{old.name}-renamed")
        with pytest.raises(NotFoundError):
            read(managers[0])
        rename(new, old.name)
        assert ["new"] == read(managers[1])
        managers[2].query_influxql("DELETE FROM m", bucket=old.name)
        assert [["old"], []] == [[point.value for point in store.points()] for store in (old, new)]


def test_a_name_with_slashes_is_a_database_and_a_policy(
    manager: InfluxManager, make_store: Callable[[str], Store]
) -> None:
    """InfluxDB takes what stands before the first slash for the database, and the rest for the policy."""
    store = make_store("home/week/")
    store.write(*(point.line for point in two_types("integer", "float")))

    assert 9 == len(manager.read(**SPAN, bucket=store.name, interval=None))
    with pytest.raises(SchemaConflictError, match="float and integer"):
        manager.read(**SPAN, bucket=store.name, agg_func="count")


def test_a_token_that_may_only_read_the_bucket_suffices(
    make_manager: Callable[..., InfluxManager], own_store: Store
) -> None:
    """The types are known to it, and nothing is warned of."""
    own_store.write(*(point.line for point in two_types("integer", "float")))
    organization = own_store.client.buckets_api().find_bucket_by_id(own_store.number).org_id
    resource = PermissionResource(type="buckets", id=own_store.number, org_id=organization)
    tokens = own_store.client.authorizations_api()
    made = tokens.create_authorization(organization, [Permission(action="read", resource=resource)])
    try:
        reader = make_manager(token=made.token, missing="raise")
        assert 9 == len(reader.read(**SPAN, bucket=own_store.name, interval=None))
        with pytest.raises(SchemaConflictError, match="float and integer"):
            reader.read(**SPAN, bucket=own_store.name, agg_func="count")
    finally:
        tokens.delete_authorization(made)
