"""Every name that a change of data can be given, against every hostile text.

It changes exactly the data under that name; what changes nothing leaves every bucket as it was.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import DatabaseError, InvalidArgumentError, NotFoundError, WriteError
from tests.security.hostile import TEXTS
from tests.security.influx_world import (
    CANARY,
    INDEX,
    NOW,
    WRITES,
    WRITTEN,
    World,
    frame_of,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from db_influx import InfluxManager
    from tests.influx.conftest import Store


@pytest.mark.parametrize("kind", ["measurement", "tag key", "tag value"])
def test_a_name_deletes_what_was_written_under_it_and_nothing_else(
    shared: InfluxManager, make_store: Callable[..., Store], kind: str
) -> None:
    """By any of these names; what is refused, or holds nothing, deletes nothing."""
    store = make_store("deleted")
    world = World(store, store, {}, {}, {})
    store.write(f"canary,k=canary,q=canary canary={CANARY} {INDEX[0].value}")
    for number, name in enumerate(TEXTS, 1):
        write(shared, world, kind, name, float(number))
    there = {name: {0.0, number} for name, (_, number) in world.written.items() for name in [name[1]]}

    for name, text in TEXTS.items():
        place = world.place(kind, text)
        tags = None if kind == "measurement" else {place.key: place.value}
        try:
            shared.delete(store.name, NOW - timedelta(hours=1), None, place.measurement, tags)
        except InvalidArgumentError as error:
            assert error.argument == ("tags" if tags else "measurement"), name
        else:
            there.pop(name, None)
        values = sorted(value for numbers_of in there.values() for value in numbers_of)
        assert sorted([*values, CANARY]) == sorted(point.value for point in store.points()), name
    assert {"NUL"} & set(world.written) <= set(there)
    assert 2 >= len(there)


@pytest.mark.parametrize("kind", ["measurement", "field", "tag key", "tag value"])
def test_a_name_copies_what_was_written_under_it_and_nothing_else(
    shared: InfluxManager, world: World, make_store: Callable[..., Store], kind: str
) -> None:
    """As in reads."""
    for name, text in TEXTS.items():
        place, target = world.place(kind, text), make_store("copied")
        try:
            shared.copy(
                place.bucket,
                target.name,
                start=NOW - timedelta(hours=1),
                stop=NOW + timedelta(hours=1),
                measurement=place.measurement,
                fields=place.field,
                tags={place.key: place.value},
            )
        except InvalidArgumentError:
            assert (kind, name) not in world.written, name
        written = world.written.get((kind, name))
        found = [(point.measurement, point.field, point.tags, point.value) for point in target.points()]
        tags = {place.key: place.value}
        expected = [
            (place.measurement, place.field, tags, value) for value in ((0.0, written[1]) if written else ())
        ]
        assert expected == found, name


def test_a_bucket_is_made_filled_and_deleted_by_its_name_alone(
    shared: InfluxManager, world: World, make_store: Callable[..., Store]
) -> None:
    """Where the server takes the name; all other buckets stay as they are."""
    source = make_store("source")
    source.write(f"m v=1 {INDEX[0].value}")
    before = shared.list_buckets()
    made = 0
    for name, text in TEXTS.items():
        bucket = f"{text}{uuid.uuid4().hex}"
        try:
            shared.create_bucket(bucket)
        except DatabaseError:
            with pytest.raises((InvalidArgumentError, NotFoundError)):
                shared.delete_bucket(bucket)
            continue
        made += 1
        assert [bucket] == [one.name for one in shared.list_buckets() if one not in before], name
        assert ["m"] == shared.copy(source.name, bucket, start=NOW - timedelta(hours=1), stop=None), name
        assert ["m"] == shared.get_measurements_on_bucket(bucket), name
        shared.delete_bucket(bucket)
        assert before == shared.list_buckets(), name
    assert 20 <= made
    assert 8 == len(world.canaries())


def test_a_copy_goes_to_no_address(shared: InfluxManager) -> None:
    """`to` is a manager, never a text."""
    for name, text in TEXTS.items():
        with pytest.raises(InvalidArgumentError) as caught:
            shared.copy("b", "c", start="-1h", stop=None, to=text)  # type: ignore[arg-type]
        assert "to" == caught.value.argument, name


# --- The buffered writer -------------------------------------------------------------


# How a text is given to a writer, the point beside it, and the place in which its number is to be.
POINTS: dict[str, Callable[[str], tuple[dict[str, Any], dict[str, Any], tuple[str, dict[str, str], str]]]] = {
    "measurement": lambda text: ({"measurement": text}, {}, (text, {}, "v")),
    "tags": lambda text: ({"tags": {text: text}}, {}, ("m", {text: text}, "v")),
    "tag_columns": lambda text: ({"tag_columns": [text]}, {text: "x"}, ("m", {text: "x"}, "v")),
    "a measurement": lambda text: ({}, {"measurement": text, "fields": {"v": 1}}, (text, {}, "v")),
    "a field": lambda text: ({}, {"fields": {text: 1}}, ("m", {}, text)),
    "a tag key": lambda text: ({}, {"tags": {text: "x"}, "fields": {"v": 1}}, ("m", {text: "x"}, "v")),
    "a tag value": lambda text: ({}, {"tags": {"k": text}, "fields": {"v": 1}}, ("m", {"k": text}, "v")),
}


@pytest.mark.parametrize("kind", POINTS)
def test_a_name_of_a_point_is_that_name_and_nothing_else(
    shared: InfluxManager, make_store: Callable[..., Store], kind: str
) -> None:
    """In a point and in what all points share: it is stored under exactly this name, or refused."""
    store = make_store("points")
    expected = []
    for number, (name, text) in enumerate(TEXTS.items()):
        options, point, place = POINTS[kind](text)
        try:
            with shared.writer(store.name, **{"measurement": "m"} | options) as writer:
                writer.write(point | {"time": number} | ({} if "fields" in point else {"v": 1}))
        except InvalidArgumentError as error:
            assert error.argument in (kind, "data"), name
        else:
            expected.append((*place, number))
    found = [(one.measurement, one.tags, one.field, one.time) for one in store.points()]
    assert sorted(expected, key=repr) == sorted(found, key=repr)
    assert 20 <= len(found)


def test_a_spool_is_a_folder_of_that_name(shared: InfluxManager, tmp_path: Path) -> None:
    """Or no folder can have this name, and the error says so."""
    made = 0
    for name, text in TEXTS.items():
        folder = tmp_path / f"x{text.replace('/', '-').replace('..', '-')}"
        try:
            shared.writer("b", spool=str(folder)).close()
        except InvalidArgumentError as error:
            assert "spool" == error.argument, name
        else:
            made += 1
            assert (folder / "target.json").is_file(), name
    assert made == len(list(tmp_path.iterdir()))
    assert 20 <= made


def test_a_writer_refuses_texts_that_are_no_functions_buckets_or_columns(shared: InfluxManager) -> None:
    """`on_refused` is a function; a column of times has any name, and is written nowhere."""
    for name, text in TEXTS.items():
        with pytest.raises(InvalidArgumentError) as caught:
            shared.writer("b", on_refused=text)  # type: ignore[arg-type]
        assert "on_refused" == caught.value.argument, name
        try:
            shared.writer("b", time_column=text).close()
        except InvalidArgumentError as error:
            assert "time_column" == error.argument, name
        try:
            writer = shared.writer(f"nobody-made-this{text}")
        except InvalidArgumentError as error:
            assert "bucket" == error.argument, name
            continue
        writer.write("m v=1")
        with pytest.raises((WriteError, NotFoundError)):
            writer.close()


# --- Writes that write nothing, and the official writer ------------------------------


@pytest.mark.parametrize("argument", WRITTEN)
def test_a_check_writes_nothing(shared: InfluxManager, world: World, argument: str) -> None:
    """`check_write` takes the same texts, tells or refuses, and leaves every bucket as it was."""
    before = world.home.points() + world.other.points()
    kinds = {"data_frame_measurement_name": "measurement", "data": "field", "tag_columns": "tag column"}
    for name, text in TEXTS.items():
        place = world.place(kinds.get(argument, "measurement"), text if argument in kinds else "checked")
        frame = frame_of({place.field: [1.0, 2.0]})
        options: dict[str, Any] = {
            "tags": {"tags": {text: text}},
            "tag_columns": {"tag_columns": [text]},
            "time_column": {"time_column": text},
        }.get(argument, {})
        try:
            told = shared.check_write(
                text if argument == "bucket" else world.home.name, frame, place.measurement, **options
            )
        except InvalidArgumentError as error:
            assert error.argument in (argument, "data"), name
        except NotFoundError:
            assert ("bucket", None) == (argument, world.buckets.get(name)), name
        else:
            kind = {"tags": "tag key"}.get(argument, kinds.get(argument, ""))
            is_no_column = argument in ("tag_columns", "time_column")
            assert bool(told) == (is_no_column or (kind, name) in world.refused), name
    assert before == world.home.points() + world.other.points()


def test_a_column_of_times_may_have_any_name(shared: InfluxManager, make_store: Callable[..., Store]) -> None:
    """Its name is written nowhere."""
    store = make_store("times")
    expected = []
    for number, text in enumerate(TEXTS.values()):
        frame = frame_of({"v": [float(number)] * 2, text: list(INDEX)}).reset_index(drop=True)
        if "\ud800" in text:
            with pytest.raises(InvalidArgumentError, match="`time_column`"):
                shared.synchronous_write(store.name, frame, f"m{number}", time_column=text)
            continue
        shared.synchronous_write(store.name, frame, f"m{number}", time_column=text)
        expected += [(f"m{number}", {}, "v", float(number))] * 2

    found = [(point.measurement, point.tags, point.field, point.value) for point in store.points()]
    assert sorted(expected, key=repr) == sorted(found, key=repr)


def test_a_bucket_named_as_anothers_id_is_not_written_to(
    shared: InfluxManager, make_store: Callable[..., Store]
) -> None:
    """The server takes a name of a write for an ID first: a tenant could name a bucket after another's."""
    victim = make_store("victim")
    buckets = shared.get_buckets_api()
    trap = buckets.create_bucket(bucket_name=victim.number)
    frame = pd.DataFrame({"v": [1.0, 2.0]}, index=INDEX)
    try:
        for method in WRITES:
            for name in (victim.number, victim.number.upper()):
                with pytest.raises(InvalidArgumentError, match=r"`bucket` .* as a bucket ID") as caught:
                    getattr(shared, method)(name, frame, "m")
                assert "bucket" == caught.value.argument
        assert [] == victim.points()
        # The defect of the server that this is about.
        shared.get_write_api().write(victim.number, record="m v=1")
        assert 1 == len(victim.points())
    finally:
        buckets.delete_bucket(trap)
