"""What influxdb-client 1.50 gets wrong on a real server, and the same data here, right.

Each test shows the defect first. One that fails by `MENDED` is good news: see what it says.
"""

from __future__ import annotations

import random
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from influxdb_client import WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from influxdb_client import InfluxDBClient

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

MENDED = (
    f"influxdb-client {version('influxdb-client')} no longer has this defect: keep what this test says of us "
    "in test_write.py or test_read.py, and remove it here and wherever the documents tell of it"
)
INDEX = pd.DatetimeIndex(["2026-01-01T00:00:00", "2026-01-01T00:01:00"])
BIG = 2**53 + 1


class Both:
    """Writes one frame by the official client and by ours, and tells what each stored."""

    def __init__(self, manager: InfluxManager, official: InfluxDBClient, store: Store, msname: str) -> None:
        self._manager, self._official, self._store = manager, official, store
        self.theirs_name, self.ours_name = f"{msname}-theirs", f"{msname}-ours"

    def theirs(self, frame: pd.DataFrame, tag_columns: tuple[str, ...] = (), **options: Any) -> list[Any]:
        """Write by influxdb-client; give field, value and tags of what is stored, in order of time."""
        with self._official.write_api(write_options=SYNCHRONOUS) as api:
            api.write(
                self._store.name,
                record=frame,
                data_frame_measurement_name=self.theirs_name,
                data_frame_tag_columns=list(tag_columns),
                **options,
            )
        return self._stored(self.theirs_name)

    def ours(self, frame: pd.DataFrame, tag_columns: tuple[str, ...] = ()) -> list[Any]:
        """Write by `synchronous_write`; the same."""
        self._manager.synchronous_write(self._store.name, frame, self.ours_name, tag_columns=tag_columns)
        return self._stored(self.ours_name)

    def nothing_of_ours(self) -> bool:
        """Say whether nothing of ours is stored."""
        return not self._stored(self.ours_name)

    def _stored(self, measurement: str) -> list[Any]:
        return [
            (point.time, point.field, point.value, point.tags) for point in self._store.points(measurement)
        ]


@pytest.fixture
def both(manager: InfluxManager, official: InfluxDBClient, store: Store, msname: str) -> Both:
    """Give both clients on one bucket."""
    return Both(manager, official, store, msname)


def values(stored: list[Any], field: str = "v") -> list[Any]:
    """Give the values of a field, with the type that the server has of them."""
    return [value for _, name, value, _ in stored if name == field]


def test_an_integer_beside_a_null_is_written_as_another(both: Both) -> None:
    """The column is float64 by then: 2^53 + 1 becomes 2^53. Here it is kept, as pandas' Int64 keeps it."""
    frame = pd.DataFrame({"v": pd.array([BIG, None], "Int64"), "o": [1, 2]}, index=INDEX)

    wrong = values(both.theirs(frame.astype({"v": "float64"})))
    assert wrong == [float(2**53)], MENDED
    assert values(both.ours(frame)) == [BIG]


def test_an_integer_beside_a_null_is_read_as_another(
    manager: InfluxManager, official: InfluxDBClient, store: Store, msname: str
) -> None:
    """`query_data_frame` gives float64 as soon as a row has no value of the field."""
    first, second = (moment.value for moment in INDEX)
    store.write(f"{msname} v={BIG}i,o=1i {first}", f"{msname} o=2i {second}")
    flux = (
        f'from(bucket: "{store.name}") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z) '
        f'|> filter(fn: (r) => r._measurement == "{msname}") '
        '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    )

    theirs = official.query_api().query_data_frame(flux)
    assert "float64" == str(theirs["v"].dtype), MENDED
    assert 2**53 == int(theirs["v"].iloc[0]), MENDED
    ours = manager.read("2026-01-01", "2026-01-02", msname, ["v", "o"], store.name, interval=None)
    assert "Int64" == str(ours["v"].dtype)
    assert [BIG, pd.NA] == ours["v"].tolist()


def test_microseconds_are_moved(both: Both) -> None:
    """Written with microseconds, some timestamps are one microsecond early. Here each is where it was."""
    draw = random.Random(5)
    micros = sorted({1_767_225_600_000_000 + draw.randrange(10**12) for _ in range(2_000)})
    frame = pd.DataFrame(
        {"v": range(len(micros))}, index=pd.DatetimeIndex(np.array(micros, "M8[us]")).as_unit("ns")
    )

    theirs = [time // 1_000 for time, *_ in both.theirs(frame, write_precision=WritePrecision.US)]
    assert {0, -1} == {time - micro for time, micro in zip(theirs, micros, strict=True)}, MENDED
    assert [micro * 1_000 for micro in micros] == [time for time, *_ in both.ours(frame)]


def test_a_null_in_a_tag_column_unescapes_the_others(both: Both) -> None:
    """A comma and an equals sign in a tag then make another tag. Here the tag is the text."""
    frame = pd.DataFrame({"v": [1, 2], "tag": ["a,b=c", None]}, index=INDEX)

    theirs = both.theirs(frame, ("tag",))
    assert theirs[0][3] == {"tag": "a", "b": "c"}, MENDED
    assert [{"tag": "a,b=c"}, {}] == [tags for *_, tags in both.ours(frame, ("tag",))]


def test_a_null_in_the_first_field_cuts_the_commas_of_texts(both: Both) -> None:
    """To take off the comma that the null leaves, it takes one from a text. Here the text is whole."""
    frame = pd.DataFrame({"a": [1.0, None], "v": ["x ,y", "x"]}, index=INDEX)

    assert values(both.theirs(frame)) == ["x y", "x"], MENDED
    assert ["x ,y", "x"] == values(both.ours(frame))


def test_an_infinity_is_sent(both: Both) -> None:
    """The server refuses the request for it. Here column and row are named, and nothing is sent."""
    frame = pd.DataFrame({"v": [1.0, float("inf")]}, index=INDEX)

    with pytest.raises(ApiException) as caught:
        both.theirs(frame)
    assert 400 == caught.value.status, MENDED
    with pytest.raises(InvalidArgumentError, match=r"row 1.*inf|inf.*row 1"):
        both.ours(frame)
    assert both.nothing_of_ours()


def test_integers_beside_none_become_texts(both: Both) -> None:
    """A column of objects is written as text. Here the integers stay integers."""
    frame = pd.DataFrame({"v": pd.Series([7, None], dtype=object, index=INDEX), "o": [1, 2]}, index=INDEX)

    assert values(both.theirs(frame)) == ["7"], MENDED
    assert [7] == values(both.ours(frame))


def test_a_timedelta_makes_an_invalid_line(both: Both) -> None:
    """The server can't parse it. Here the type is refused, with the column's name."""
    frame = pd.DataFrame({"v": pd.to_timedelta([1, 2], unit="s")}, index=INDEX)

    with pytest.raises(ApiException, match="unable to parse"):
        both.theirs(frame)
    with pytest.raises(InvalidArgumentError, match="'v'"):
        both.ours(frame)
    assert both.nothing_of_ours()


def test_row_numbers_are_taken_for_times(both: Both) -> None:
    """A frame without times lands in 1970. Here an index of times, or a column of them, is asked for."""
    frame = pd.DataFrame({"v": [1.0, 2.0]})

    assert [time for time, *_ in both.theirs(frame)] == [0, 1], MENDED
    with pytest.raises(InvalidArgumentError, match="DatetimeIndex"):
        both.ours(frame)
    assert both.nothing_of_ours()


@pytest.mark.filterwarnings("ignore::influxdb_client.client.warnings.MissingPivotFunction")
def test_the_number_of_frames_depends_on_the_data(
    manager: InfluxManager, official: InfluxDBClient, store: Store, msname: str
) -> None:
    """`query_data_frame` gives a list where two tables differ in columns. Here it is one frame."""
    first = INDEX[0].value
    flux = (
        f'from(bucket: "{store.name}") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z) '
        f'|> filter(fn: (r) => r._measurement == "{msname}")'
    )
    store.write(f"{msname},k=a v=1 {first}")
    assert isinstance(official.query_api().query_data_frame(flux), pd.DataFrame)
    store.write(f"{msname},q=a w=true {first}")

    assert isinstance(official.query_api().query_data_frame(flux), list), MENDED
    ours = manager.read_all_fields("2026-01-01", "2026-01-02", msname, store.name)
    assert isinstance(ours, pd.DataFrame)
    assert {"v", "w"} <= set(ours.columns)
