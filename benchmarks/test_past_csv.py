"""Reading past CSV: InfluxQL's answers in msgpack, and the files of shards, against Flux and others."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import data, peers
from benchmarks.race import Peer
from benchmarks.test_read import same
from db_influx import InfluxManager
from tools import servers
from tools.servers import _build

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.data import DataSet
    from benchmarks.race import Race

_SLICES = 4  # of a read, each with a connection of its own, which Toxiproxy limits one by one
_VALUES_A_SECOND = 100_000_000
_BUCKET_ID = "0123456789abcdef"

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def test_points_by_influxql(race: Race, manager: InfluxManager, points: DataSet) -> None:
    """Read a million rows as they are stored, by both protocols."""
    _both(race, "read 1,000,000 rows x 2 fields, 20 series, by InfluxQL", manager, points, within=0.90)


def test_many_series_by_influxql(race: Race, manager: InfluxManager, many: DataSet) -> None:
    """Read ten thousand short series, by both protocols."""
    _both(race, "read 10,000 series x 100 points by InfluxQL", manager, many, within=1.0)


def test_cpu(race: Race, manager: InfluxManager, points: DataSet) -> None:
    """Need half of the client's processor that the read of CSV needs."""

    def of_limit() -> float:
        seconds = {
            protocol: _cpu_seconds(_read(manager, points, protocol)) for protocol in ("flux", "influxql")
        }
        return seconds["influxql"] / (0.5 * seconds["flux"])

    race.limit("read 1,000,000 rows x 2 fields by InfluxQL, CPU", "half of Flux's", of_limit)


@pytest.mark.parametrize(("megabits", "within"), [(1_000, 0.55), (100, 0.32)])
def test_behind_a_network(
    race: Race, influx: servers.InfluxDB, points: DataSet, megabits: int, within: float
) -> None:
    """Read a million rows over a network that has so many megabits a second."""
    rate = megabits * 1_000 // 8 // _SLICES  # kilobytes a second of each connection
    with (
        servers.toxiproxy() as toxiproxy,
        toxiproxy.before("127.0.0.1", int(influx.url.rpartition(":")[2])) as proxy,
        proxy.fault("bandwidth", rate=rate),
        InfluxManager(f"http://127.0.0.1:{proxy.port}", influx.org, influx.token) as manager,
    ):
        group = f"read 1,000,000 rows x 2 fields by InfluxQL, {megabits} Mbit/s"
        _both(race, group, manager, points, within=within)


def test_snapshot(race: Race, manager: InfluxManager, influx: servers.InfluxDB, points: DataSet) -> None:
    """Read a million rows from the shards' files, which are downloaded each time."""

    def ours() -> Any:
        with manager.snapshot(points.bucket, data.START, points.stop) as snapshot:
            return snapshot.read(data.START, points.stop, data.MEASUREMENT, points.fields)

    same(points.frame, ours())
    race(
        "read 1,000,000 rows x 2 fields by a snapshot, with its download",
        ours,
        Peer("influxdb-client", lambda: peers.query_data_frame(influx, points.pivoted()), faster=60),
        Peer("our read", _read(manager, points, "auto"), faster=4),
    )


def test_decode_shards(race: Race, manager: InfluxManager, points: DataSet, tmp_path: Path) -> None:
    """Decode the files of shards, on one thread."""
    with manager.snapshot(points.bucket, data.START, points.stop, folder=tmp_path) as snapshot:
        inside: Any = snapshot
        shards = inside._stored._shards

        def ours() -> Any:
            return shards.read(
                data.MEASUREMENT,
                fields=points.fields,
                tags=(),
                start=data.START.value,
                stop=points.stop.value,
                first=0,
                count=sys.maxsize,
                within=None,
                threads=1,
            )

        def ten_nanoseconds_a_value() -> float:
            begin = time.perf_counter()
            ours()
            return (time.perf_counter() - begin) * _VALUES_A_SECOND / points.frame.size

        assert points.frame.size == ours().rows
        race.limit("decode the shards of 1,000,000 rows x 2 fields", "10 ns a value", ten_nanoseconds_a_value)


def test_export(race: Race, manager: InfluxManager, points: DataSet, tmp_path: Path) -> None:
    """Decode the files of shards, against the server's own export of the same files."""
    program = shutil.which("influxd") or _build.built()
    assert program
    with manager.snapshot(points.bucket, data.START, points.stop, folder=tmp_path) as snapshot:
        engine = tmp_path / "engine"
        for number, archive in enumerate(sorted(tmp_path.glob("db-influx-*/*.tar"))):
            folder = engine / "data" / _BUCKET_ID / "autogen" / str(number)
            folder.mkdir(parents=True)
            with tarfile.open(archive) as opened:
                for member in opened.getmembers():
                    content = opened.extractfile(member)
                    if content is not None:
                        (folder / Path(member.name).name).write_bytes(content.read())
        (engine / "wal" / _BUCKET_ID).mkdir(parents=True)

        def export() -> None:
            command = [
                program,
                "inspect",
                "export-lp",
                "--engine-path",
                str(engine),
                "--bucket-id",
                _BUCKET_ID,
            ]
            lines = tmp_path / "lines"
            subprocess.run([*command, "--output-path", str(lines)], check=True, capture_output=True)

        def ours() -> int:
            frames = snapshot.read_batches(None, None, data.MEASUREMENT, points.fields, into="polars")
            return sum(map(len, frames))

        export()
        assert points.frame.size == (tmp_path / "lines").read_bytes().count(b"meter=")
        assert len(points.frame) == ours()
        race(
            "decode the shards of 1,000,000 rows x 2 fields, all threads",
            ours,
            Peer("influxd inspect export-lp", export, faster=20),
        )


def _both(race: Race, group: str, manager: InfluxManager, points: DataSet, within: float) -> None:
    by_influxql, by_flux = (_read(manager, points, protocol) for protocol in ("influxql", "flux"))
    same(points.frame, by_influxql())
    same(points.frame, by_flux())
    race(group, by_influxql, Peer("our read by Flux", by_flux, within=within))


def _read(manager: InfluxManager, points: DataSet, protocol: Any) -> Callable[[], Any]:
    def read() -> Any:
        return manager.read(**points.period, fields=points.fields, interval=None, protocol=protocol)

    return read


def _cpu_seconds(job: Callable[[], object]) -> float:
    begin = time.process_time()
    job()
    return time.process_time() - begin
