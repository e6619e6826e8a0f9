"""Reading from a real server: against other clients, and against the bytes alone."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from benchmarks import data, peers
from benchmarks.race import Peer
from benchmarks.sent import Sent, sent_by

if TYPE_CHECKING:
    from benchmarks.data import DataSet
    from benchmarks.race import Race
    from db_influx import InfluxManager
    from tools.servers import InfluxDB

IMPORT = """
import sys, time
begin = time.perf_counter()
import db_influx
seconds = time.perf_counter() - begin
heavy = {"influxdb_client", "pandas", "polars", "pyarrow"} & set(sys.modules)
assert not heavy, heavy
print(seconds)
"""

# influxdb-client frames table by table, and pandas warns of how it does that.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def test_points(
    race: Race, manager: InfluxManager, influx: InfluxDB, points: DataSet, tmp_path: Path
) -> None:
    """Read a million rows as they are stored, to pandas."""

    def ours() -> Any:
        return manager.read(**points.period, fields=points.fields, interval=None)

    flux = points.pivoted()
    own = sent_by(manager, lambda: same(points.frame, ours()))
    assert rows_of(own.queries, manager) == points.frame.size
    same(points.frame, by_series(peers.query_data_frame(influx, flux), points))
    assert len(points.frame) == rows_in(b"".join(peers.download(influx, flux)))

    race(
        "read 1,000,000 rows x 2 fields, 20 series",
        ours,
        Peer("influxdb-client", lambda: peers.query_data_frame(influx, flux), faster=25),
        influx_rust(influx, flux, points),
        go_client(influx, flux, points, tmp_path),
        Peer("plain download, pivoted", lambda: peers.discard(influx, flux), within=0.30),
        Peer("own queries, bytes dropped", own.discard_answers, within=1.15),
    )


def test_many_series(race: Race, manager: InfluxManager, influx: InfluxDB, many: DataSet) -> None:
    """Read ten thousand short series, to pandas."""

    def ours() -> Any:
        return manager.read(**many.period, fields=many.fields, interval=None)

    flux = many.pivoted()
    own = sent_by(manager, lambda: same(many.frame, ours()))
    same(many.frame, by_series(peers.query_data_frame(influx, flux), many))

    race(
        "read 10,000 series x 100 points",
        ours,
        Peer("influxdb-client", lambda: peers.query_data_frame(influx, flux), faster=20),
        Peer("own queries, bytes dropped", own.discard_answers, measure="times its time"),
    )


def test_hourly_means(race: Race, manager: InfluxManager, influx: InfluxDB, year: DataSet) -> None:
    """Read hourly means of a year of minutes, to pandas."""

    def ours() -> Any:
        return manager.read(**year.period, fields=year.fields, interval="1h")

    expected = data.hourly_means(year.frame)
    [query] = sent_by(manager, lambda: same(expected, ours(), exact=False)).queries
    assert len(expected) == rows_in(b"".join(peers.download(influx, query.flux)))

    race(
        "read hourly means of 20 meters, a year",
        ours,
        Peer("plain download, same query", lambda: peers.discard(influx, query.flux), within=1.15),
    )


def test_consumption(race: Race, manager: InfluxManager, totals: DataSet) -> None:
    """Read hourly consumption of a year of minutes, to pandas, against the difference of the last totals."""

    def ours() -> Any:
        return manager.read_accumulated_value(
            **totals.period, fields=totals.fields, timestep="1h", closed="left"
        )

    def plain_difference() -> Any:
        last = manager.read(**totals.period, fields=totals.fields, interval="1h", agg_func="last")
        return last.groupby(level="meter").diff()

    expected = data.hourly_consumption(totals.frame)
    same(expected, ours(), exact=False)
    later = expected.index.get_level_values("time") > data.START + pd.Timedelta(hours=1)
    same(expected[later], plain_difference()[later], exact=False)

    race(
        "read hourly consumption of 20 meters, a year",
        ours,
        Peer("difference of last totals", plain_difference, within=2.2),
    )


def test_peak_memory(race: Race, influx: InfluxDB, points: DataSet) -> None:
    """Hold few copies of a frame while it is read."""
    asked = json.dumps([points.bucket, str(data.START), str(points.stop), points.fields])

    def of_limit() -> float:
        told = json.loads(fresh(["-m", "benchmarks.peak_memory", asked], influx.environment()))
        assert len(points.frame) == told["rows"]
        allowed = 2.5 * told["frame"] + 64 * 2**20
        return float(told["peak"] / allowed)

    race.limit("peak memory of 1,000,000 rows x 2 fields", "2.5 frames + 64 MiB", of_limit)


def test_import(race: Race) -> None:
    """Import db_influx without what it may not need."""
    race.limit("import db_influx", "100 ms", lambda: float(fresh(["-c", IMPORT], {})) / 0.1)


def influx_rust(influx: InfluxDB, flux: str, points: DataSet) -> Peer:
    """Give influx-rust, its answer checked."""
    name = "influx-rust"
    if find_spec("influx_rust") is None:
        return Peer(name, None, missing="not installed")
    same(points.frame, by_series(pd.DataFrame(peers.query_influx_rust(influx, flux)), points))
    return Peer(name, lambda: peers.query_influx_rust(influx, flux))


def go_client(influx: InfluxDB, flux: str, points: DataSet, folder: Path) -> Peer:
    """Give the official Go client, its answer checked."""
    name = "influxdb-client-go"
    program = peers.build_go_reader(folder)
    if isinstance(program, str):
        return Peer(name, None, missing=program)
    told = peers.query_go(program, influx, flux, points.fields)
    assert len(points.frame) == told.rows
    for field in points.fields:
        assert math.isclose(points.frame[field].sum(), told.sums[field], rel_tol=1e-9)
    return Peer(name, lambda: peers.query_go(program, influx, flux, points.fields), faster=6)


def same(expected: pd.DataFrame, found: pd.DataFrame, *, exact: bool = True) -> None:
    """Check that what was read is what was written."""
    pd.testing.assert_frame_equal(
        expected, found, check_exact=exact, rtol=1e-12, check_freq=False, check_index_type=False
    )


def by_series(found: pd.DataFrame, points: DataSet) -> pd.DataFrame:
    """Give a peer's frame the index that ours has."""
    times = pd.DatetimeIndex(pd.to_datetime(found["_time"], utc=True)).as_unit("ns")
    index = pd.MultiIndex.from_arrays(
        [pd.Index(found["meter"], dtype="str"), times], names=points.frame.index.names
    )
    return found[points.fields].set_axis(index).sort_index()


def rows_in(answer: bytes) -> int:
    """Count the rows of an answer; the start of each is empty."""
    return answer.count(b"\r\n,,")


def rows_of(queries: list[Any], manager: InfluxManager) -> int:
    """Count the rows that queries give."""
    return sum(rows_in(b"".join(Sent(manager).answer(query))) for query in queries)


def fresh(arguments: list[str], environment: dict[str, str]) -> str:
    """Run a fresh interpreter and give what it prints."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
