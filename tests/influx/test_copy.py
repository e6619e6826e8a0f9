"""Copies on the real server: every point as it was, wherever it goes; and how far one came that failed."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from db_core.errors import (
    AuthenticationError,
    CopyError,
    InvalidArgumentError,
    NotFoundError,
    SchemaConflictError,
    WriteError,
)
from tests.peer import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from db_influx import AsyncInfluxManager, InfluxManager
    from tests.influx.conftest import Store
    from tools import servers

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z, a Thursday
WEEK = 7 * 86_400 * 1_000_000_000
YEAR: dict[str, Any] = {"start": "2026-01-01", "stop": "2027-01-01"}
KINDS = {
    "v": lambda n: f"{n / 7!r}",
    "i": lambda n: f"{n - (n % 2) * 2**63}i",
    "u": lambda n: f"{2**64 - 1 - n}u",
    "b": lambda n: "true" if n % 2 else "false",
    "t": lambda n: f'"{n}"' if n % 3 else '""',
}


def series(server: servers.InfluxDB, store: Store) -> Any:
    """Give all points as InfluxQL's JSON tells them, with carriage returns, around the code under test."""

    def ask(text: str) -> Any:
        form = {"db": store.name, "epoch": "ns", "q": text}
        request = urllib.request.Request(
            f"{server.url}/query?org={server.org}",
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Token {server.token}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return [one for result in json.load(answer)["results"] for one in result.get("series", ())]

    names = [name for one in ask("SHOW MEASUREMENTS") for [name] in one["values"]]
    quoted = [name.replace("\\", "\\\\").replace('"', '\\"') for name in names]
    # One by one, as a field that has other types in other measurements would lose some.
    return sorted((one for name in quoted for one in ask(f'SELECT * FROM "{name}" GROUP BY *')), key=repr)


def test_every_type_and_time_is_copied_exactly(
    server: servers.InfluxDB, manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store]
) -> None:
    """Sparse fields, series of different tags, nanoseconds before 1970 too; again changes nothing."""
    target = make_store("target")
    own_store.write(
        *(
            f"m{tags} {field}={text(n)} {T0 + n}"
            for tags in ("", ",k=a", ",k=b,z=é\\ x")
            for n in range(9)
            for number, (field, text) in enumerate(KINDS.items())
            if n % 5 == number
        ),
        f"m old=1 {-T0 - 1}",
        f"other,k=a v=2.5 {T0}",
    )
    expected = own_store.points()

    for _ in range(2):
        copied = manager.copy(own_store.name, target.name, start="1900-01-01", stop="2027-01-01")
        assert ["m", "other"] == copied
        assert expected == target.points()
        assert series(server, own_store) == series(server, target)
    assert 9 * 3 + 2 == len(expected)


NAMES = ["a b", "a,b", "a=b", 'a"b', "a'b", "a\\b", "😀é", "a\u2028b", "${1+1}", "a!", "\x01", "x" * 300]
FIELDS = st.dictionaries(
    st.sampled_from(NAMES),
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.sampled_from(["", "a\r\nb", "\r", "a\nb", 'a"b\\', "é😀", "a\tb", "0"]),
    min_size=1,
    max_size=3,
)
POINT = st.tuples(
    st.sampled_from(["m", *NAMES]),
    st.dictionaries(st.sampled_from(["k", *NAMES[:-1]]), st.sampled_from(["x", *NAMES]), max_size=2),
    FIELDS,
    st.integers(0, 3).map(lambda n: T0 + n),
)


def escaped(text: str, signs: str = ",= ") -> str:
    """Give a name as line protocol has it."""
    return "".join(f"\\{sign}" if sign in signs else sign for sign in text)


def value(given_value: Any) -> str:
    """Give a value as line protocol has it."""
    if isinstance(given_value, str):
        quoted = given_value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'
    if isinstance(given_value, bool):
        return str(given_value)
    return f"{given_value}i" if isinstance(given_value, int) else repr(given_value)


@settings(
    phases=[Phase.generate],
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(points=st.lists(POINT, min_size=1, max_size=12))
def test_every_name_is_copied_exactly(
    server: servers.InfluxDB,
    manager: InfluxManager,
    make_store: Callable[[str], Store],
    points: list[tuple[str, dict[str, str], dict[str, Any], int]],
) -> None:
    """Also those that are hostile to a query or to line protocol, and texts with line breaks."""
    source, target = make_store("source"), make_store("target")
    kinds: dict[tuple[str, str], type] = {}
    for name, tags, fields, time in points:
        kept = {
            field: one
            for field, one in fields.items()
            if field not in tags and kinds.setdefault((name, field), type(one)) is type(one)
        }
        # A name is a tag in no point of a measurement in which it is a field.
        kept = {
            field: one
            for field, one in kept.items()
            if all(field not in has for n, has, *_ in points if n == name)
        }
        if kept:
            has = "".join(f",{escaped(key)}={escaped(one)}" for key, one in sorted(tags.items()))
            sets = ",".join(f"{escaped(field)}={value(one)}" for field, one in kept.items())
            source.write(f"{escaped(name, ', ')}{has} {sets} {time}")
    expected = series(server, source)

    copied = manager.copy(source.name, target.name, **YEAR)
    assert sorted({one["name"] for one in expected}) == copied
    assert expected == series(server, target)


def test_a_selection_is_copied_and_nothing_else(
    manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store]
) -> None:
    """Half-open, by measurement, fields and tags; a field that a measurement lacks is no matter."""
    target = make_store("target")
    own_store.write(
        *(f"{name},k={tag} v={n},w={n}i {T0 + n}" for name in "mn" for tag in "ab" for n in range(4)),
        f"n,k=a x=1 {T0}",
    )
    span = {"start": pd.Timestamp(T0 + 1), "stop": pd.Timestamp(T0 + 3)}

    assert ["m"] == manager.copy(
        own_store.name, target.name, **span, measurement="m", fields="v", tags={"k": ["b", "c"]}
    )
    assert [("m", "b", "v", 1.0), ("m", "b", "v", 2.0)] == [
        (point.measurement, point.tags["k"], point.field, point.value) for point in target.points()
    ]
    assert ["n"] == manager.copy(own_store.name, target.name, **YEAR, fields={"x"})
    assert [] == manager.copy(own_store.name, target.name, **YEAR, tags={"k": "c"})
    assert 3 == len(target.points())
    with pytest.warns(UserWarning, match="no measurement 'l'"):
        assert [] == manager.copy(own_store.name, target.name, **YEAR, measurement="l")
    with pytest.raises(NotFoundError, match="no field 'y'"):
        manager.copy(own_store.name, target.name, **YEAR, measurement="m", fields="y", missing="raise")


def test_a_field_is_copied_with_the_type_that_it_has_in_each_shard(
    manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store]
) -> None:
    """An integer beyond 2**53 stays one, beside floats and booleans of other weeks."""
    target = make_store("target")
    own_store.write(
        f"m,k=a v={2**53 + 1}i,w=1 {T0}",
        f"m,k=b v=1.5,w=2 {T0 + WEEK}",
        f'm v=true,t="\r" {T0 + 2 * WEEK}',
        f"m v=5u {T0 + 3 * WEEK}",
    )

    assert ["m"] == manager.copy(own_store.name, target.name, **YEAR)
    expected = {(T0 + n * WEEK, one) for n, one in enumerate([2**53 + 1, 1.5, True, 5])}
    found = set()
    for week in range(4):
        frame = manager.read(
            pd.Timestamp(T0 + week * WEEK),
            pd.Timestamp(T0 + week * WEEK + 1),
            "m",
            "v",
            target.name,
            interval=None,
            by=[],
        )
        found |= {(time.value, one) for time, one in frame.v.items()}
    assert expected == found
    assert {"t": 1, "v": 4, "w": 2} == manager.count(target.name, "m")


def test_text_that_can_t_be_copied_exactly_is_an_error(
    manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store]
) -> None:
    """A field of text and of numbers; other fields can be copied by their names."""
    target = make_store("target")
    own_store.write(f'm v="\r" {T0}', f"m v=1,w=2 {T0 + WEEK}")

    with pytest.raises(
        SchemaConflictError, match=r"field 'v' of 'm' can't be copied exactly, as .*it has text"
    ):
        manager.copy(own_store.name, target.name, **YEAR, fields="v")
    assert [] == target.points()
    assert ["m"] == manager.copy(own_store.name, target.name, **YEAR, fields="w")


CARRIAGE_RETURNS = {
    "measurement": (f"a\rb v=1 {T0}", SchemaConflictError, r"its name has a carriage return"),
    "field": (f"m a\rb=1 {T0}", WriteError, "'m' can't be written: .*carriage return"),
    "tag key": (f"m,a\rb=x v=1 {T0}", WriteError, "'m' can't be written: .*carriage return"),
    "tag value": (f"m,k=a\rb v=1 {T0}", WriteError, "'m' can't be written: .*carriage return"),
    "tag of a field of several types": (
        f"m,k=a\rb v=1 {T0}\nm v=1i {T0 + WEEK}",
        SchemaConflictError,
        "field 'v' .* a tag has a carriage return",
    ),
}


@pytest.mark.parametrize("place", CARRIAGE_RETURNS)
def test_a_name_with_a_carriage_return_is_an_error(
    manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store], place: str
) -> None:
    """As line protocol can't carry it and be read back; a name is never changed."""
    line, kind, message = CARRIAGE_RETURNS[place]
    target = make_store("target")
    own_store.write(line)

    with pytest.raises(kind, match=message):
        manager.copy(own_store.name, target.name, **YEAR)
    assert [] == target.points()


def test_a_field_with_the_name_of_a_tag_is_an_error(
    manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store]
) -> None:
    """As no frame can hold both; the measurement and the name are told."""
    target = make_store("target")
    own_store.write(f"m,k=a k=1 {T0}")

    with pytest.raises(WriteError, match="'m' can't be written: column \"k\": two columns have this name"):
        manager.copy(own_store.name, target.name, **YEAR)
    assert [] == target.points()


@pytest.fixture(scope="module")
def second_server(servers: ModuleType) -> Iterator[servers.InfluxDB]:
    """Give another InfluxDB, with a token of its own."""
    with servers.influxdb(own=True) as server:
        yield server


def test_points_go_to_another_server(
    make_manager: Callable[..., InfluxManager],
    make_async: Callable[..., AsyncInfluxManager],
    second_server: servers.InfluxDB,
    own_store: Store,
) -> None:
    """With the token of its manager; both managers do the same, and a bucket may have the same name there."""
    there = {"url": second_server.url, "org": second_server.org, "token": second_server.token}
    own_store.write(*(f"m,k=a v={n} {T0 + n}" for n in range(10)))
    here, other = make_manager(), make_manager(**there)
    other.create_bucket(own_store.name)
    other.create_bucket(f"{own_store.name}-async")

    async def copied() -> list[str]:
        async with make_async() as source, make_async(**there) as target:
            return await source.copy(own_store.name, f"{own_store.name}-async", **YEAR, to=target)

    assert ["m"] == here.copy(own_store.name, own_store.name, **YEAR, to=other)
    assert ["m"] == asyncio.run(copied())
    for bucket in (own_store.name, f"{own_store.name}-async"):
        frame = other.read(YEAR["start"], YEAR["stop"], "m", "v", bucket, interval=None, by=["k"])
        assert [(("a", pd.Timestamp(T0 + n, tz="UTC")), float(n)) for n in range(10)] == [*frame.v.items()]


def test_a_copy_needs_two_buckets_and_two_managers_of_one_class(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager], own_store: Store
) -> None:
    """What can't be copied to is refused by the name of the argument."""
    source = own_store.name
    cases: list[tuple[str, str, Any]] = [
        ("to_bucket", source, None),
        ("to_bucket", "0123456789abcdef", None),
        ("to", "other", make_async()),
        ("to", "other", "http://localhost:8086"),
    ]
    for argument, bucket, to in cases:
        with pytest.raises(InvalidArgumentError, match=f"`{argument}` must be") as caught:
            manager.copy(source, bucket, **YEAR, to=to)
        assert argument == caught.value.argument


def test_what_fails_before_anything_is_written_is_raised_as_it_is(
    make_manager: Callable[..., InfluxManager], make_token: Callable[..., str], own_store: Store, store: Store
) -> None:
    """A bucket that is missing on either side, or a token that may not write."""
    manager = make_manager()
    reader = make_manager(token=make_token(("read", "buckets", None)))
    own_store.write(f"m v=1 {T0}")

    with pytest.raises(NotFoundError):
        manager.copy("nobody-made-this-bucket", store.name, **YEAR)
    with pytest.raises(NotFoundError):
        manager.copy(own_store.name, "nobody-made-this-bucket", **YEAR)
    with pytest.raises(AuthenticationError, match=f"must be allowed to write bucket '{store.name}'"):
        reader.copy(own_store.name, store.name, **YEAR)


def test_an_error_in_the_middle_tells_what_is_whole(
    manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store]
) -> None:
    """The measurements before, and of this one the range before a time; the rest is copied from there."""
    target = make_store("target")
    hours = 3_600 * 1_000_000_000
    own_store.write(f"a v=1 {T0}", *(f"b v={n} {T0 + n * 50 * hours}" for n in range(40)), f"c v=1 {T0}")
    conflict = T0 + 30 * 50 * hours
    target.write(f'b v="text" {conflict}')

    with pytest.raises(
        CopyError, match="1 of 3 measurements were copied, and the points of 'b' before"
    ) as caught:
        manager.copy(own_store.name, target.name, **YEAR)
    error = caught.value
    assert (("a",), "b") == (error.copied, error.measurement)
    assert isinstance(error.__cause__, WriteError)
    whole = pd.Timestamp(error.until)
    assert T0 < whole.value <= conflict
    assert {("a", 1.0), *(("b", float(n)) for n in range(40) if T0 + n * 50 * hours < whole.value)} <= {
        (point.measurement, point.value) for point in target.points()
    }

    manager.delete(target.name, pd.Timestamp(conflict - WEEK), "2027-01-01", "b")
    for measurement in (error.measurement, "c"):
        span = {"start": error.until if measurement == "b" else YEAR["start"], "stop": YEAR["stop"]}
        manager.copy(own_store.name, target.name, **span, measurement=measurement)
    manager.copy(own_store.name, target.name, **YEAR, measurement="b")
    assert own_store.points() == target.points()
