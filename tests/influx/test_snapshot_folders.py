"""`Snapshot.open`: a folder made by `influx backup`, and the engine folder of a stopped server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import IncompleteResultError, InvalidArgumentError, NotFoundError, ParseError
from db_influx import InfluxManager, Snapshot
from tests.influx.backups import archive, back_up, listed

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from tests.influx.conftest import Store
    from tools import servers

SPAN = ("2026-01-01", "2026-02-01")
FRAME = pd.DataFrame(
    {"k": ["a", "b"] * 500, "v": [number / 8 for number in range(1_000)]},
    index=pd.date_range("2026-01-05", periods=1_000, freq="31min", tz="UTC", unit="ns"),
)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("by_id", [True, False])
def test_a_backup_is_read_without_a_server(
    manager: InfluxManager,
    server: servers.InfluxDB,
    own_store: Store,
    tmp_path: Path,
    *,
    compress: bool,
    by_id: bool,
) -> None:
    """Packed or not, of the bucket with a name or an ID; and what was unpacked goes."""
    manager.synchronous_write(own_store.name, FRAME, "m", tag_columns=["k"])
    expected = manager.read(*SPAN, "m", "v", own_store.name, interval=None)
    back_up(server, tmp_path, own_store.number, compress=compress)
    files = sorted(tmp_path.iterdir())

    with Snapshot.open(tmp_path, own_store.number if by_id else own_store.name, tz="UTC") as snapshot:
        pd.testing.assert_frame_equal(expected, snapshot.read(*SPAN, "m", "v"))
        pd.testing.assert_frame_equal(expected, snapshot.read(None, None, "m", "v"))
    assert files == sorted(tmp_path.iterdir())


def test_the_newest_backup_of_a_folder_is_read(tmp_path: Path) -> None:
    """As their names begin with their times."""
    for time, name in (("20260101T000000Z", "old"), ("20261129T081500Z", "new")):
        (tmp_path / f"{time}.manifest").write_text(json.dumps({"buckets": listed(name=name)}))

    with Snapshot.open(tmp_path, "new") as snapshot:
        assert [] == snapshot.measurements()
    with pytest.raises(NotFoundError, match=r"'old'.*new"):
        Snapshot.open(tmp_path, "old")


def test_an_engine_folder_is_read_with_what_is_only_in_the_log(servers: ModuleType, tmp_path: Path) -> None:
    """Of a server that stopped: points in files, others in the write-ahead log, and deletes."""
    with (
        servers.influxdb(engine=tmp_path) as server,
        InfluxManager(server.url, server.org, server.token) as manager,
    ):
        half = len(FRAME) // 2
        manager.synchronous_write("default", FRAME[:half], "m", tag_columns=["k"])
        with manager.snapshot("default", *SPAN):  # for which the server writes its cache to a file
            pass
        manager.synchronous_write("default", FRAME[half - 100 :] * [1, 2], "m", tag_columns=["k"])
        expected = manager.read(*SPAN, "m", "v", "default", interval=None)
        buckets = sorted(path.name for path in (tmp_path / "data").iterdir())
        [number] = [
            one.id for one in manager.get_buckets_api().find_buckets().buckets if one.name == "default"
        ]

    with Snapshot.open(tmp_path, number, tz="UTC") as snapshot:
        pd.testing.assert_frame_equal(expected, snapshot.read(*SPAN, "m", "v"))
    assert number in buckets


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks of this kind")
def test_a_running_server_is_told_by_its_lock(tmp_path: Path) -> None:
    """It holds one on its metadata file, beside the engine folder."""
    (tmp_path / "engine" / "data" / "0123456789abcdef").mkdir(parents=True)
    metadata = tmp_path / "influxd.bolt"
    metadata.touch()
    code = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(metadata)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(InvalidArgumentError, match="is running") as caught:
            Snapshot.open(tmp_path / "engine")
        process.communicate("\n")
    assert "path" == caught.value.argument
    with Snapshot.open(tmp_path / "engine") as snapshot:
        assert [] == snapshot.measurements()


def manifest(buckets: list[dict[str, Any]], **files: str) -> str:
    """Return a manifest whose shards have files."""
    for bucket in buckets:
        for shard in bucket["retentionPolicies"][0]["shardGroups"][0]["shards"]:
            shard.update(files)
    return json.dumps({"manifestVersion": 2, "buckets": buckets})


def test_an_unusable_folder_is_named(tmp_path: Path) -> None:
    """It is neither of the two, or there are several buckets and none is named."""
    with pytest.raises(InvalidArgumentError, match="has neither") as caught:
        Snapshot.open(tmp_path)
    assert "path" == caught.value.argument
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
    with pytest.raises(InvalidArgumentError, match="a, b") as caught:
        Snapshot.open(tmp_path)
    assert "bucket" == caught.value.argument
    with pytest.raises(NotFoundError, match=r"'c'.*a, b"):
        Snapshot.open(tmp_path, "c")
    with pytest.raises(InvalidArgumentError, match="bucket"):
        Snapshot.open(tmp_path, "")


def test_an_incomplete_backup_is_an_error(tmp_path: Path) -> None:
    """A file is missing or damaged, or lies elsewhere."""
    path = tmp_path / "1.manifest"
    path.write_text(manifest(listed(1), fileName="1.1.tar.gz"))
    with pytest.raises(IncompleteResultError, match=r"lacks .*1\.1\.tar\.gz"):
        Snapshot.open(tmp_path)
    for damaged in (b"", b"\x1f\x8b", b"x" * 999):
        (tmp_path / "1.1.tar.gz").write_bytes(damaged)
        with pytest.raises(IncompleteResultError, match=r"1\.1\.tar"):
            Snapshot.open(tmp_path)
    path.write_text(manifest(listed(1), fileName="1.1.tar"))
    for damaged, place in (
        (b"x" * 999, "damaged"),
        (archive()[:2_000], "damaged"),
        (archive()[:4_000], "byte 3584"),
    ):
        (tmp_path / "1.1.tar").write_bytes(damaged)
        with pytest.raises(IncompleteResultError, match=rf"{re.escape(str(tmp_path))}.*1\.1\.tar.*{place}"):
            Snapshot.open(tmp_path)
    path.write_text(manifest(listed(1), fileName="../1.1.tar.gz"))
    with pytest.raises(ParseError, match="outside"):
        Snapshot.open(tmp_path)
    for text in ("", "[]", "{}", '{"buckets": [{}]}', "[" * 99_999):
        path.write_text(text)
        with pytest.raises(ParseError, match=r"manifest|list of buckets"):
            Snapshot.open(tmp_path)


def test_a_file_that_goes_while_it_is_read_is_an_error(
    manager: InfluxManager, server: servers.InfluxDB, own_store: Store, tmp_path: Path
) -> None:
    """Not a frame without rows."""
    manager.synchronous_write(own_store.name, FRAME, "m", tag_columns=["k"])
    folder = tmp_path / "backup"
    folder.mkdir()
    back_up(server, folder, own_store.number, compress=False)
    with Snapshot.open(folder, own_store.name) as snapshot:
        shutil.rmtree(folder)
        with pytest.raises(IncompleteResultError):
            snapshot.read(*SPAN, "m", "v")


def test_a_relative_path_stays_what_it_is(
    manager: InfluxManager,
    server: servers.InfluxDB,
    own_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the program changes its working directory meanwhile."""
    manager.synchronous_write(own_store.name, FRAME, "m", tag_columns=["k"])
    for name in ("backup", "elsewhere", "temporary"):
        (tmp_path / name).mkdir()
    back_up(server, tmp_path / "backup", own_store.number, compress=False)
    monkeypatch.chdir(tmp_path)
    with (
        Snapshot.open("backup", own_store.name) as opened,
        manager.snapshot(own_store.name, *SPAN, folder="temporary") as downloaded,
    ):
        monkeypatch.chdir("elsewhere")
        for snapshot in (opened, downloaded):
            assert len(FRAME) == len(snapshot.read(*SPAN, "m", "v"))
    assert [] == list((tmp_path / "temporary").iterdir())
