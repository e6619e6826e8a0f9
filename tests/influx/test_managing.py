"""Buckets, and what a measurement holds: tags, counts and times, against influxdb-client and by hand."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db_core.errors import (
    AuthenticationError,
    InvalidArgumentError,
    NotFoundError,
    QueryError,
    WriteError,
)
from db_influx import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from influxdb_client import InfluxDBClient

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

WEEK = timedelta(days=7)
T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000_000_000
EARLIEST, LATEST = -(2**63) + 2, 2**63 - 2


def test_the_version_is_the_one_that_the_server_tells(
    manager: InfluxManager, official: InfluxDBClient, make_manager: Callable[..., InfluxManager]
) -> None:
    """Without its v, and for a token that nobody made too."""
    expected = official.version().removeprefix("v")

    assert expected == manager.server_version() == make_manager(token="nobody-made-this").server_version()


# --- Buckets ----------------------------------------------------------------------


@pytest.fixture
def new_name(official: InfluxDBClient) -> Iterator[str]:
    """Give a name that no bucket has; one that has it in the end is deleted."""
    name = f"managed {uuid.uuid4()}"
    yield name
    if (made := official.buckets_api().find_bucket_by_name(name)) is not None:
        official.buckets_api().delete_bucket(made)


@pytest.fixture(scope="module")
def many(official: InfluxDBClient) -> Iterator[list[Any]]:
    """Make more buckets than the server sends at once, and give them, by name."""
    api = official.buckets_api()
    run = uuid.uuid4()
    made = [api.create_bucket(bucket_name=f"page-{run}-{number:03}") for number in range(101)]
    yield made
    for bucket in made:
        api.delete_bucket(bucket)


def test_all_buckets_are_listed_over_all_pages(manager: InfluxManager, many: list[Any]) -> None:
    """By name, with their retention; InfluxDB's own are left out."""
    found = manager.list_buckets()

    expected = [Bucket(bucket.name, None, WEEK, bucket.id) for bucket in many]
    assert expected == [bucket for bucket in found if bucket.name[:-4] == many[0].name[:-4]]
    assert sorted(found) == found
    assert not {"_monitoring", "_tasks"} & {bucket.name for bucket in found}


def test_a_token_s_buckets_are_listed_also_behind_pages_that_it_may_not_read(
    make_manager: Callable[..., InfluxManager], make_token: Callable[..., str], many: list[Any]
) -> None:
    """The server sends a token the rest of each page, which is shorter or empty; of 101, this is the last."""
    last = many[-1]
    manager = make_manager(token=make_token(("read", "buckets", last.id)))

    assert [Bucket(last.name, None, WEEK, last.id)] == manager.list_buckets()
    assert [] == make_manager(token=make_token(("write", "buckets", last.id))).list_buckets()


@pytest.mark.parametrize(
    ("retention", "seconds"),
    [
        (None, 0),
        ("1h", 3_600),
        ("30d", 30 * 86_400),
        (timedelta(hours=36), 36 * 3_600),
        (np.timedelta64(2, "W"), 14 * 86_400),
        (pd.offsets.Day(3), 3 * 86_400),
    ],
)
def test_a_bucket_is_made_with_its_retention(
    manager: InfluxManager, official: InfluxDBClient, new_name: str, retention: Any, seconds: int
) -> None:
    """The server keeps points as long as was asked for, and the list says the same."""
    made = manager.create_bucket(new_name, retention=retention)

    stored = official.buckets_api().find_bucket_by_name(new_name)
    assert seconds == stored.retention_rules[0].every_seconds
    expected = timedelta(seconds=seconds) if seconds else None
    assert (new_name, expected, stored.id) == (made.name, made.retention, made.id)
    assert [made] == [bucket for bucket in manager.list_buckets() if bucket.name == new_name]


@pytest.mark.parametrize(
    "retention",
    [
        *("59m", "1h1ms", "1mo", "1y", 0, "0s", 3_600, -1, "-1h", "never", ""),
        *(timedelta(days=200_000), timedelta(hours=-1), pd.NaT, pd.offsets.MonthEnd()),
    ],
)
def test_a_retention_that_a_bucket_can_t_have_is_refused(
    manager: InfluxManager, new_name: str, retention: Any
) -> None:
    """Too short, too long, with fractions of a second or of no fixed length; the error tells what can be."""
    message = "`retention` must be None for ever, or from an hour .* without months and years"
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        manager.create_bucket(new_name, retention=retention)
    assert "retention" == caught.value.argument
    assert new_name not in [bucket.name for bucket in manager.list_buckets()]


def test_a_second_bucket_of_a_name_is_an_error(manager: InfluxManager, new_name: str) -> None:
    """It says so, and the first one stays as it is."""
    made = manager.create_bucket(new_name, retention="2h")

    with pytest.raises(QueryError, match=f"{new_name} already exists") as caught:
        manager.create_bucket(new_name)
    assert "conflict" == caught.value.code
    assert made in manager.list_buckets()


def test_a_deleted_bucket_is_gone_and_can_t_be_deleted_again(
    manager: InfluxManager, official: InfluxDBClient, new_name: str
) -> None:
    """A missing bucket is a `NotFoundError`, whether it was ever there or not."""
    manager.create_bucket(new_name)

    manager.delete_bucket(new_name)
    assert official.buckets_api().find_bucket_by_name(new_name) is None
    with pytest.raises(NotFoundError, match=new_name):
        manager.delete_bucket(new_name)


def test_a_bucket_of_influxdb_s_own_stays_as_it_is(
    make_manager: Callable[..., InfluxManager], official: InfluxDBClient
) -> None:
    """The server would delete what is in it, and could not tell any more why it refuses a point."""
    organization = official.organizations_api().create_organization(name=f"own {uuid.uuid4()}")
    manager = make_manager(org=organization.name)
    frame = pd.DataFrame({"v": [1.0]}, pd.DatetimeIndex([pd.Timestamp(T0)]))
    try:
        for name in ("_monitoring", "_tasks"):
            with pytest.raises(InvalidArgumentError, match=f"`name` .*, not '{name}', which InfluxDB made"):
                manager.delete_bucket(name)
        manager.create_bucket("b")
        manager.synchronous_write("b", frame, "m")
        with pytest.raises(WriteError, match="field type conflict"):
            manager.synchronous_write("b", frame.astype(int), "m")
    finally:
        official.organizations_api().delete_organization(organization.id)


def test_a_bucket_is_deleted_by_its_name_not_by_an_id(
    manager: InfluxManager, official: InfluxDBClient, own_store: Store
) -> None:
    """Also if its name is the ID of another one."""
    manager.create_bucket(own_store.number)

    manager.delete_bucket(own_store.number)
    assert own_store.name == official.buckets_api().find_bucket_by_id(own_store.number).name


@pytest.mark.parametrize("org", ["name", "id"])
@pytest.mark.parametrize("also", ["nothing", "a bucket", "the organization"])
def test_a_bucket_is_made_with_no_more_rights_than_needed(
    make_manager: Callable[..., InfluxManager],
    make_token: Callable[..., str],
    official: InfluxDBClient,
    store: Store,
    new_name: str,
    org: str,
    also: str,
) -> None:
    """The organization's ID comes from itself or from a bucket; a token that sees neither is told so."""
    [found] = official.organizations_api().find_organizations(org=official.org)
    token = make_token(
        ("write", "buckets", None),
        *([("read", "buckets", store.number)] if also == "a bucket" else []),
        *([("read", "orgs", found.id)] if also == "the organization" else []),
    )
    manager = make_manager(token=token, org=official.org if org == "name" else found.id)

    if also == "nothing":
        with pytest.raises(AuthenticationError, match="must be allowed to read organization"):
            manager.create_bucket(new_name)
    else:
        manager.create_bucket(new_name)
        assert official.buckets_api().find_bucket_by_name(new_name).name == new_name


def test_a_token_without_the_right_is_told_which_it_needs(
    make_manager: Callable[..., InfluxManager], make_token: Callable[..., str], store: Store, new_name: str
) -> None:
    """To make a bucket, to delete one, or to see it at all."""
    reader = make_manager(token=make_token(("read", "buckets", None)))
    writer = make_manager(token=make_token(("write", "buckets", store.number)))

    with pytest.raises(AuthenticationError, match=r"must be allowed to create buckets: .*unauthorized"):
        reader.create_bucket(new_name)
    with pytest.raises(
        AuthenticationError, match=f"must be allowed to write bucket '{store.name}'"
    ) as caught:
        reader.delete_bucket(store.name)
    assert 401 == caught.value.status
    with pytest.raises(NotFoundError, match="or the token may not read it"):
        writer.delete_bucket(store.name)
    assert [] == writer.list_buckets()


# --- What a measurement holds -----------------------------------------------------


def test_tags_and_their_values_are_listed_over_all_time(
    manager: InfluxManager, own_store: Store, msname: str
) -> None:
    """Sorted, from before 1970 to after now; InfluxDB's own columns are no tags."""
    own_store.write(
        f"{msname},b=2,a=x v=1 {-HOUR}",
        f"{msname},b=1,$=y v=1 {T0}",
        f"{msname},late=z v=1 {T0 + 100_000 * HOUR}",
        f"other,c=3,b=9 v=1 {T0}",
    )

    assert ["$", "a", "b", "late"] == manager.get_tags(own_store.name, msname)
    assert ["1", "2"] == manager.get_tag_values(own_store.name, msname, "b")
    assert ["z"] == manager.get_tag_values(own_store.name, msname, "late")
    assert [] == manager.get_tag_values(own_store.name, msname, "c")
    assert [] == manager.get_tags(own_store.name, "nowhere")
    for name in ("_field", "_name"):  # the latter would be answered with the measurement
        with pytest.raises(InvalidArgumentError, match=f"own column '{name}'"):
            manager.get_tag_values(own_store.name, msname, name)


def test_lists_of_names_lack_the_carriage_returns(manager: InfluxManager, own_store: Store) -> None:
    """As each docstring says: Flux's answers leave them out."""
    own_store.write(f"m\r1 v=1 {T0}", f"n,a\r1=x,k=y\r1 f\r1=1 {T0}")

    assert ["m1", "n"] == manager.get_measurements_on_bucket(own_store.name)
    assert ["f1"] == manager.get_fields(own_store.name, "n")
    assert ["a1", "k"] == manager.get_tags(own_store.name, "n")
    assert ["y1"] == manager.get_tag_values(own_store.name, "n", "k")


def test_a_count_is_of_each_field_in_the_range_and_of_the_tags(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Half-open, over all series; None is without end on both sides; fields without points are left out."""
    store.write(
        *(f"{msname},k=a v={n},w={n}i {T0 + n}" for n in range(5)),
        f'{msname},k=b v=1,t="x" {T0 + 2}',
        f"{msname} v=1 {-HOUR}",
        f"{msname} v=1 {T0 + 100_000 * HOUR}",
    )
    start, stop = pd.Timestamp(T0 + 1), pd.Timestamp(T0 + 4)

    assert {"t": 1, "v": 8, "w": 5} == manager.count(store.name, msname)
    assert {"t": 1, "v": 4, "w": 3} == manager.count(store.name, msname, start, stop)
    assert {"v": 3, "w": 3} == manager.count(store.name, msname, start, stop, {"k": "a"})
    assert {"v": 2} == manager.count(store.name, msname, tags={"k": None})
    assert {"t": 1, "v": 7, "w": 5} == manager.count(store.name, msname, pd.Timestamp(0), missing="raise")
    assert {} == manager.count(store.name, msname, "2000-01-01", "2001-01-01")
    with pytest.raises(InvalidArgumentError, match="`start` must be before `stop`"):
        manager.count(store.name, msname, stop, start)


@pytest.mark.parametrize("asked", ["count", "time_range"])
def test_a_name_that_does_not_exist_is_told(
    manager: InfluxManager, store: Store, msname: str, asked: str
) -> None:
    """As in reads: a warning, or with `missing="raise"` an error; a missing bucket always is one."""
    store.write(f"{msname},k=a v=1 {T0}")
    method = getattr(manager, asked)

    with pytest.warns(UserWarning, match="no measurement 'x'"):
        assert not method(store.name, "x")
    with pytest.raises(NotFoundError, match="no tag 'k' with the value 'b'"):
        method(store.name, msname, tags={"k": "b"}, missing="raise")
    with pytest.raises(NotFoundError, match=r'^bucket "nobody-made-this-bucket" not found'):
        method("nobody-made-this-bucket", msname)


def test_the_times_are_those_of_the_first_and_last_point(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """To the nanosecond, over all series and fields, as far as reads reach."""
    store.write(
        f"{msname},k=a v=1 {T0 + 5}",
        f"{msname},k=b w=1i {T0 + 7}",
        f'{msname},k=b t="" {T0 + 1}',
        f"far v=true {EARLIEST}",
        f"far w=1 {LATEST - 1}",
    )

    found = manager.time_range(store.name, msname)
    assert (pd.Timestamp(T0 + 1, tz="UTC"), pd.Timestamp(T0 + 7, tz="UTC")) == found
    one = pd.Timestamp(T0 + 5, tz="UTC")
    assert (one, one) == manager.time_range(store.name, msname, {"k": "a"})
    assert (pd.Timestamp(EARLIEST, tz="UTC"), pd.Timestamp(LATEST - 1, tz="UTC")) == manager.time_range(
        store.name, "far"
    )
    assert manager.time_range(store.name, msname, {"k": "c"}, missing="ignore") is None


VALUES = {"float": "1.5", "integer": "2i", "unsigned": "3u", "boolean": "true", "string": '""'}
NAMED = st.sampled_from(["v", "w"])
POINT = st.tuples(NAMED, st.sampled_from(["", ",k=a", ",k=b"]), st.integers(-3, 3), st.integers(0, 9))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    points=st.lists(POINT, min_size=1, max_size=12),
    kinds=st.dictionaries(st.tuples(NAMED, st.integers(-3, 3)), st.sampled_from(list(VALUES))),
)
def test_points_of_all_types_of_a_field_count(
    manager: InfluxManager, own_store: Store, points: Any, kinds: dict[tuple[str, int], str]
) -> None:
    """A field has any type in each week, of which Flux alone would see one; a naive set of points tells."""
    msname = f"m{uuid.uuid4().hex}"
    weeks = 24 * 7 * HOUR
    model = set()
    for field, tags, week, hour in points:
        time = T0 + week * weeks + hour * HOUR
        value = VALUES[kinds.get((field, week), "float")]  # a shard begins on Monday, T0 is a Thursday
        own_store.write(f"{msname}{tags} {field}={value} {time}")
        model.add((field, tags, time))

    for tags, chosen in (({}, model), ({"k": "a"}, {one for one in model if one[1] == ",k=a"})):
        expected = {name: sum(field == name for field, _, _ in chosen) for name in ("v", "w")}
        times = [time for _, _, time in chosen]
        found = manager.count(own_store.name, msname, tags=tags, missing="ignore")
        assert {name: number for name, number in expected.items() if number} == found
        ends = manager.time_range(own_store.name, msname, tags, missing="ignore")
        assert (ends is None) == (not times)
        assert ends is None or (min(times), max(times)) == tuple(end.value for end in ends)


def test_times_without_a_zone_are_those_of_tz(manager: InfluxManager, store: Store, msname: str) -> None:
    """As in reads: midnight of Lisbon's summer is 23:00 UTC."""
    at = datetime(2026, 6, 30, 23, tzinfo=UTC).timestamp()
    store.write(f"{msname} v=1 {round(at) * 1_000_000_000}")

    assert {"v": 1} == manager.count(store.name, msname, "2026-07-01", "2026-07-02", tz="Europe/Lisbon")
    assert {} == manager.count(store.name, msname, "2026-07-01", "2026-07-02")
