"""Line protocol from frames: values as they are, and what the official client gets wrong.

The texts and escapes are held against an independent parser in the native crate's tests, and
against a real server at the end of this file.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_core import InvalidArgumentError, to_line_protocol
from db_core.annotated_csv import decode, split
from db_core.line_protocol import encoder
from tests.strategies import floats, integers, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.servers import InfluxDB

BIG = 2**53 + 1
TIME = 1_709_164_800_000_000_001


def points(columns: dict[str, Any], times: list[int] | None = None) -> pd.DataFrame:
    """Make a pandas frame of columns, at 1 ns, 2 ns, … if no times are given."""
    rows = len(next(iter(columns.values())))
    nanos = np.array(times if times is not None else range(1, rows + 1), "M8[ns]")
    return pd.DataFrame(columns, index=pd.DatetimeIndex(nanos, name="time"))


def lines(frame: object, **options: Any) -> list[str]:
    """Write a frame as points of the measurement `m`."""
    return to_line_protocol(frame, "m", **options).decode().splitlines()


def test_each_type_is_written_as_it_is() -> None:
    """Integers with `i`, unsigned ones with `u`, floats with a point, booleans and quoted strings."""
    frame = points(
        {
            "i": np.array([BIG], "int64"),
            "u": np.array([2**64 - 1], "uint64"),
            "small": np.array([-1], "int8"),
            "f": [1.0],
            "b": [True],
            "s": ['a, "b"\\'],
            "k": pd.Categorical(["c"]),
        }
    )

    assert [
        'm i=9007199254740993i,u=18446744073709551615u,small=-1i,f=1.0,b=true,s="a, \\"b\\"\\\\",k="c" 1'
    ] == lines(frame)


@given(
    st.lists(
        st.tuples(st.none() | integers, st.none() | unsigned, st.none() | floats, st.none() | st.booleans())
    ).filter(bool)
)
def test_numbers_are_written_exactly(rows: list[tuple[Any, ...]]) -> None:
    """Read back as Python numbers they are those of the frame, and what is null is left out."""
    rows = [
        row for row in rows if row[2] not in (float("inf"), float("-inf")) and any(v is not None for v in row)
    ]
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    frame = points(
        {
            "i": pd.array(columns[0], dtype="Int64"),
            "u": pd.array(columns[1], dtype="UInt64"),
            "f": pd.array(columns[2], dtype="Float64"),
            "b": pd.array(columns[3], dtype="boolean"),
        }
    )
    read: dict[str, Callable[[str], Any]] = {
        "i": lambda text: int(text.removesuffix("i")),
        "u": lambda text: int(text.removesuffix("u")),
        "f": float,
        "b": {"true": True, "false": False}.__getitem__,
    }

    found = []
    for line in lines(frame):
        fields = dict(field.split("=") for field in line.split(" ")[1].split(","))
        found.append(tuple(read[name](fields[name]) if name in fields else None for name in "iufb"))

    assert [*map(repr, rows)] == [*map(repr, found)]


def test_an_integer_beside_a_null_stays_an_integer() -> None:
    """influxdb-client writes it as a float, or as a string, and 2^53+1 as another number."""
    for column in (pd.array([BIG, None], "Int64"), np.array([BIG, None], object)):
        assert [f"m i={BIG}i,v=1i 1", "m v=1i 2"] == lines(points({"i": column, "v": [1, 1]}))


@given(st.integers(0, 2**62))
def test_no_precision_moves_a_time(nanoseconds: int) -> None:
    """influxdb-client moves one in 70 timestamps by a microsecond at that precision."""
    for precision, tick in (("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)):
        whole = nanoseconds // tick
        assert [f"m v=1i {whole}"] == lines(points({"v": [1]}, [whole * tick]), precision=precision)


def test_a_time_that_the_precision_can_not_hold_is_refused() -> None:
    """Nothing is rounded: the error names column and row."""
    with pytest.raises(InvalidArgumentError, match='"time", row 1: 1500 ns is not a whole number'):
        lines(points({"v": [1, 2]}, [1000, 1500]), precision="us")


def test_a_tag_beside_a_null_is_escaped() -> None:
    """influxdb-client forgets to escape a tag column that holds a null."""
    frame = points({"t": ["a b,c=d", None, ""], "v": [1, 2, 3]})

    assert ["m,t=a\\ b\\,c\\=d v=1i 1", "m v=2i 2", "m v=3i 3"] == lines(frame, tag_columns=["t"])


@pytest.mark.parametrize(
    "frame",
    [
        points({"t": [None, None], "v": [1, 2]}),
        points({"t": [np.nan, np.nan], "v": [1, 2]}),
        pl.DataFrame({"time": [1, 2], "t": [None, None], "v": [1, 2]}).cast({"time": pl.Datetime("ns")}),
    ],
    ids=["objects", "NaN", "polars"],
)
def test_a_tag_column_of_nulls_alone_is_left_out(frame: object) -> None:
    """Whichever type the library has for it."""
    assert ["m v=1i 1", "m v=2i 2"] == lines(frame, tag_columns=["t"])


def test_strings_after_a_null_keep_their_commas() -> None:
    """influxdb-client joins fields wrongly when the first one is null."""
    frame = points({"a": [None, 1.5], "b": ["x, y", "z"], "c": ["u", None]})

    assert ['m b="x, y",c="u" 1', 'm a=1.5,b="z" 2'] == lines(frame)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_is_refused(value: float) -> None:
    """influxdb-client sends it, and the server refuses the line."""
    with pytest.raises(InvalidArgumentError, match=r'"v", row 1: -?inf'):
        lines(points({"v": [1.0, value]}))


def test_a_timedelta_is_refused() -> None:
    """influxdb-client writes a line that is none."""
    with pytest.raises(InvalidArgumentError, match=r"'v' holds `numpy\.timedelta64` values"):
        lines(points({"v": pd.to_timedelta([1])}))


def test_a_frame_without_times_is_refused() -> None:
    """influxdb-client writes a RangeIndex as seconds of 1970."""
    with pytest.raises(InvalidArgumentError, match='"time": there is no such column; the columns are v'):
        lines(pd.DataFrame({"v": [1]}))
    with pytest.raises(InvalidArgumentError, match="the time column must hold timestamps, not Int64"):
        lines(pd.DataFrame({"v": [1]}, index=pd.RangeIndex(1, name="time")))


def test_a_row_without_a_value_is_refused() -> None:
    """NaN and null are left out; where nothing is left, the row is named."""
    with pytest.raises(InvalidArgumentError, match="row 1: no field has a value"):
        lines(points({"a": [1.0, np.nan], "b": ["x", None]}))


def test_a_missing_time_is_refused() -> None:
    """NaT is no time."""
    with pytest.raises(InvalidArgumentError, match='"time", row 1: a point needs a time'):
        lines(pd.DataFrame({"v": [1, 2]}, index=pd.DatetimeIndex([pd.Timestamp(1), pd.NaT])))


def test_constant_tags_and_tag_columns_lead_every_line() -> None:
    """Tags are strings, integers or booleans, by column or for all points; a float is no tag."""
    frame = points({"n": [7], "on": [True], "id": pd.Categorical(["x y"]), "v": [1]})

    assert ["m,site=a\\ b,id=x\\ y,n=7,on=true v=1i 1"] == lines(
        frame, tag_columns=["id", "n", "on"], tags={"site": "a b", "none": ""}
    )
    with pytest.raises(InvalidArgumentError, match='"v": a tag is a string, an integer or a boolean'):
        lines(points({"v": [1.5], "w": [1]}), tag_columns=["v"])


@pytest.mark.parametrize("tag", ["time", "_field", "_measurement", "_time", "_value", "_start", "_stop"])
def test_a_name_of_influxdbs_own_is_no_tag(tag: str) -> None:
    """The server refuses some of them, and can't query what it took of the others."""
    with pytest.raises(InvalidArgumentError, match="InfluxDB uses this name itself"):
        lines(points({"v": [1]}), tags={tag: "x"})


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"at": [dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)], "t": ["a"], "v": [BIG]}),
        pa.table({"at": pa.array([1], pa.timestamp("s")), "t": ["a"], "v": [BIG]}),
        pa.table(
            {
                "at": pa.array([10**9], pa.timestamp("ns", "Asia/Tokyo")),
                "t": pa.array(["a"]).dictionary_encode(),
                "v": [BIG],
            }
        ),
        pd.DataFrame({"at": [pd.Timestamp(1, unit="s", tz="Asia/Tokyo")], "t": ["a"], "v": [BIG]}),
        pd.DataFrame({"t": ["a"], "v": [BIG]}, index=pd.DatetimeIndex(["1970-01-01T00:00:01"], name="at")),
    ],
    ids=["polars", "arrow", "arrow, other types", "pandas", "pandas by index"],
)
def test_frames_of_every_library_are_written_alike(frame: object) -> None:
    """A time without a zone is UTC; one with a zone is its instant, in any unit."""
    assert [f"m,t=a v={BIG}i 1000000000"] == lines(frame, tag_columns=["t"], time_column="at")


def test_no_rows_are_no_bytes() -> None:
    """An empty frame is written as nothing."""
    assert b"" == to_line_protocol(points({"v": np.array([], "int64")}), "m")


@given(st.integers(0, 50), st.sampled_from([0, 1, 20, 100, 10_000]))
def test_bodies_join_to_the_whole(rows: int, limit: int) -> None:
    """Each body ends with a line's end and has about the size asked for; all of them are the whole."""
    frame = points({"v": np.arange(rows)})
    made = encoder(frame, "m")
    bodies, counts = [], []
    while part := made.body(limit):
        bodies.append(part[0])
        counts.append(part[1])

    assert rows == len(made)
    assert to_line_protocol(frame, "m") == b"".join(bodies)
    assert [body.count(b"\n") for body in bodies] == counts
    assert all(body.endswith(b"\n") and len(body) < limit + 20 for body in bodies)
    assert all(len(body) >= limit for body in bodies[:-1])
    assert made.body(limit) is None


def test_options_are_checked() -> None:
    """A precision that there is not, and a column that there is not, are told."""
    with pytest.raises(InvalidArgumentError, match="precision must be"):
        lines(points({"v": [1]}), precision="minutes")
    with pytest.raises(
        InvalidArgumentError, match='"nowhere": there is no such column; the columns are time, v'
    ):
        lines(points({"v": [1]}), tag_columns=["nowhere"])


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        ("measurement", {"measurement": "#m"}),
        ("tags", {"tags": {"k\n": "x"}}),
        ("tags", {"tags": {"k": "x\n"}}),
        ("tags", {"tags": {"time": "x"}}),
        ("tags", {"tags": {"t": "x"}}),
        ("tags", {"tags": {"v": "x"}}),
        ("tag_columns", {"tag_columns": ["nowhere"]}),
        ("tag_columns", {"tag_columns": ["time"]}),
        ("time_column", {"time_column": "nowhere"}),
        ("precision", {"precision": "minutes"}),
        ("duplicates", {"duplicates": "first"}),
        ("frame", {"frame": points({"t": ["x\n"], "v": [1]})}),
        ("frame", {"frame": points({"t": ["x"], "v\n": [1]})}),
        ("frame", {"frame": points({"t": ["x"], "v": [np.inf]})}),
        ("frame", {"frame": points({"t": ["x", "x"], "v": [1, 2]}, [1, 1])}),
    ],
)
def test_an_error_carries_the_argument_that_is_to_blame(argument: str, given: dict[str, Any]) -> None:
    """By its name in the signature, whatever the text says; the frame, where it is a column or a row."""
    usual = {"frame": points({"t": ["x"], "v": [1]}), "measurement": "m", "tag_columns": ["t"]}

    with pytest.raises(InvalidArgumentError) as caught:
        to_line_protocol(**{**usual, **given})
    assert argument == caught.value.argument


class Server:
    """A bucket of a real server, written and read by hand."""

    def __init__(self, server: InfluxDB) -> None:
        self._server = server
        (org,) = json.loads(self._ask("GET", f"/api/v2/orgs?org={server.org}"))["orgs"]
        self.bucket = f"test-{uuid.uuid4()}"
        self._id = json.loads(
            self._ask("POST", "/api/v2/buckets", {"orgID": org["id"], "name": self.bucket})
        )["id"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ask("DELETE", f"/api/v2/buckets/{self._id}")

    def write(self, body: bytes) -> None:
        """Store lines; urllib raises if the server refuses one."""
        self._ask("POST", f"/api/v2/write?org={self._server.org}&bucket={self.bucket}", body)

    def stored(self) -> dict[int, tuple[str, str, str, str, Any]]:
        """Give measurement, tag key, tag value, field and value by time."""
        query = f'from(bucket: "{self.bucket}") |> range(start: 0) |> drop(columns: ["_start", "_stop"])'
        dialect = {"annotations": ["datatype", "group", "default"]}
        answer = self._ask(
            "POST", f"/api/v2/query?org={self._server.org}", {"query": query, "dialect": dialect}
        )
        stored = {}
        for frame in split(decode(answer)):
            columns = frame.to_pydict()
            # The tag's own column stands last.
            (tag,) = columns.keys() - {"result", "table", "_time", "_value", "_field", "_measurement"}
            for row in range(len(frame)):
                names = (columns["_measurement"][row], tag, columns[tag][row], columns["_field"][row])
                stored[columns["_time"][row]] = (*names, columns["_value"][row])
        return stored

    def _ask(self, method: str, path: str, body: Any = None) -> bytes:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Token {self._server.token}", "Accept": "application/csv"}
        headers["Content-Type"] = "text/plain" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(self._server.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: bytes = response.read()
        return answer


PLACES = ("measurement", "tag key", "tag value", "field key", "string")


@pytest.mark.parametrize("place", PLACES)
def test_a_real_server_stores_every_text_that_is_not_refused(server: InfluxDB, place: str) -> None:
    """Every text of up to three symbols with a meaning, in each place, is stored as it is or refused here."""
    symbols = ["\\", ",", " ", "=", '"', "#", "\t", "\n", "a", "é"]
    texts = ["".join(text) for length in (1, 2, 3) for text in itertools.product(symbols, repeat=length)]
    usual = ("m", "k", "v", "f", "x")
    written: dict[int, tuple[str, ...]] = {}
    bodies = []
    for time, text in enumerate(texts, start=1):
        point = tuple(text if name == place else other for name, other in zip(PLACES, usual, strict=True))
        measurement, key, tag, field, value = point
        try:
            body = to_line_protocol(
                points({key: [tag], field: [value]}, [time]), measurement, tag_columns=[key]
            )
        except InvalidArgumentError:
            continue
        written[time] = point
        bodies.append(body)

    with Server(server) as bucket:
        bucket.write(b"".join(bodies))

        assert len(texts) / 3 < len(written)
        assert written == bucket.stored()
