"""The spool of the buffered writer: what is in the folder, who may use it, and what comes out of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import AuthenticationError, InvalidArgumentError, ParseError
from tests.influx.answers import NO_CONTENT, http
from tests.influx.frames import SECOND, T0
from tests.influx.test_fork import ends_well, in_a_child
from tests.influx.writers import AWAY, LONG, NEVER, stored, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer
    from tools import servers

pytestmark = pytest.mark.usefixtures("at_once")


def batches(folder: Path) -> list[str]:
    """Return the names of the batches in a spool."""
    return sorted(path.name for path in folder.glob("*.lines"))


@pytest.fixture
def spooled(
    make_either: Callable[..., Any], server: servers.InfluxDB, store: Store, msname: str, tmp_path: Path
) -> Path:
    """Return a spool with three batches for the server."""
    folder = tmp_path / "deep" / "spool"
    with make_either(url=AWAY, retries=0).writer(store.name, msname, spool=folder, **NEVER) as writer:
        for second in range(3):
            writer.write({"v": second, "time": T0 + second * SECOND})
            writer.flush()
        assert writer.error is not None
    target = folder / "target.json"
    target.write_text(target.read_text().replace(AWAY, server.url))
    return folder


def test_what_could_not_be_sent_is_in_files_that_say_what_they_are(spooled: Path, msname: str) -> None:
    """One for each batch, numbered, with the length and the CRC of its lines; nothing else is left."""
    assert [f"{number:012}.lines" for number in (1, 2, 3)] == batches(spooled)
    assert {"target.json", "lock", *batches(spooled)} >= {path.name for path in spooled.iterdir()}
    for second, name in enumerate(batches(spooled)):
        line = f"{msname} v={second}i {T0 + second * SECOND}\n".encode()
        head = f"db-influx spool 1 {len(line)} {zlib.crc32(line):08x}\n".encode()
        assert head + line == (spooled / name).read_bytes()


def test_the_next_writer_sends_what_is_in_the_spool(
    either: Any, store: Store, msname: str, spooled: Path
) -> None:
    """Without a point of its own, and new ones after them."""
    with either.writer(store.name, msname, spool=spooled) as writer:
        until(store, msname, 3)
        writer.write({"v": 7, "time": T0})
        writer.flush()
        while batches(spooled):
            pass
    assert {0: 7, 1: 1, 2: 2} == stored(store, msname)
    with either.writer(store.name, msname, spool=spooled) as writer:
        writer.write({"v": 8, "time": T0})
    assert {0: 8, 1: 1, 2: 2} == stored(store, msname)


def test_points_go_out_in_order_behind_what_is_spooled(
    peer: Callable[..., Peer], make_either: Callable[..., Any], tmp_path: Path
) -> None:
    """Also those that come while the server is back and the spool is not empty yet."""
    away = http(b"", status="503 Service Unavailable")
    one = peer(away, away, away, NO_CONTENT)
    with make_either(url=one.url, retries=0).writer("b", "m", spool=tmp_path, **NEVER) as writer:
        for number in range(20):
            writer.write({"v": number, "time": number})
            writer.flush()
        while batches(tmp_path):
            pass
    bodies = [request.partition(b"\r\n\r\n")[2] for request in one.requests]
    sent = list(dict.fromkeys(bodies))
    assert [f"m v={number}i {number}\n".encode() for number in range(20)] == sent
    assert 23 == len(bodies)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_file_is_set_aside_and_named(
    either: Any, store: Store, msname: str, spooled: Path, damage: str
) -> None:
    """Nothing of it is sent; the batches around it are, and the next flush raises the error."""
    path = spooled / "000000000002.lines"
    content = path.read_bytes()
    changed = {"cut": content[:-1], "changed": content.replace(b"v=1i", b"v=9i"), "empty": b""}
    path.write_bytes(changed[damage])
    writer = either.writer(store.name, msname, spool=spooled)
    until(store, msname, 2)
    with pytest.raises(ParseError, match=r"000000000002\.lines\.damaged: the file is damaged"):
        writer.flush()
    writer.close()
    assert {0: 0, 2: 2} == stored(store, msname)
    assert changed[damage] == path.with_name(f"{path.name}.damaged").read_bytes()
    assert [] == batches(spooled)


def test_what_was_being_written_when_a_process_was_killed_is_removed(
    either: Any, store: Store, msname: str, spooled: Path
) -> None:
    """It was never acknowledged, and is not sent."""
    beside = spooled / "000000000004.tmp"
    beside.write_bytes(b"half")
    with either.writer(store.name, msname, spool=spooled):
        until(store, msname, 3)
    assert not beside.exists()
    assert {0: 0, 1: 1, 2: 2} == stored(store, msname)


def test_every_damaged_file_is_named(either: Any, store: Store, msname: str, spooled: Path) -> None:
    """By one error, however many there are."""
    (spooled / "000000000001.lines").write_bytes(b"")
    (spooled / "000000000003.lines").write_bytes(b"x")
    writer = either.writer(store.name, msname, spool=spooled)
    until(store, msname, 1)
    writer.write({"v": 3, "time": T0 + 3 * SECOND})
    until(store, msname, 2)
    with pytest.raises(ParseError, match=r"(?s)1\.lines\.damaged: .*3\.lines\.damaged: "):
        writer.flush()
    writer.close()
    assert {1: 1, 3: 3} == stored(store, msname)


def test_files_of_others_in_the_folder_are_left_alone(
    either: Any, store: Store, msname: str, tmp_path: Path
) -> None:
    """Whatever their names end in."""
    for name in ("notes.tmp", "poem.lines", "a.lines.damaged"):
        (tmp_path / name).write_text("mine")
    with either.writer(store.name, msname, spool=tmp_path) as writer:
        writer.write({"v": 1, "time": T0})
    assert ["mine"] * 3 == [
        (tmp_path / name).read_text() for name in ("notes.tmp", "poem.lines", "a.lines.damaged")
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", None])
def test_a_spool_without_a_readable_target_is_an_error(
    manager: InfluxManager, tmp_path: Path, content: bytes | None
) -> None:
    """It names the argument and the file, and no batch is sent to a place that may be the wrong one."""
    path = tmp_path / "target.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=r"^`spool` .*target\.json"):
        manager.writer("b", spool=tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_file_that_can_not_be_read_is_told_by_flush(
    either: Any, store: Store, msname: str, spooled: Path
) -> None:
    """No wait mends it, so `flush` raises the error until somebody has; then all batches go out, in order."""
    path = spooled / "000000000001.lines"
    good = path.rename(path.with_name("aside"))
    path.symlink_to(spooled, target_is_directory=True)
    writer = either.writer(store.name, msname, spool=spooled)
    with pytest.raises(OSError, match=r"1\.lines"):
        _flush_until_it_fails(writer)
    good.replace(path)
    until(store, msname, 3)
    writer.close()
    assert {0: 0, 1: 1, 2: 2} == stored(store, msname)


def _flush_until_it_fails(writer: Any) -> None:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        writer.flush()


def test_a_spool_is_for_one_server_organization_and_bucket(
    make_either: Callable[..., Any], spooled: Path, store: Store
) -> None:
    """Points for one place never go to another; the error has both."""
    for manager, bucket in (
        (make_either(), "other"),
        (make_either(org="o"), store.name),
        (make_either(url="http://a:1"), store.name),
    ):
        with pytest.raises(
            InvalidArgumentError, match=r"has points for .*, not for .*target\.json"
        ) as caught:
            manager.writer(bucket, spool=spooled)
        assert "spool" == caught.value.argument
    assert 3 == len(batches(spooled))


def test_one_writer_uses_a_spool_at_a_time(either: Any, store: Store, tmp_path: Path) -> None:
    """The second is refused, and the next may have it."""
    writer = either.writer(store.name, spool=tmp_path)
    with pytest.raises(InvalidArgumentError, match="in use by another writer"):
        either.writer(store.name, spool=tmp_path)
    writer.close()
    with either.writer(store.name, spool=tmp_path):
        pass


def test_another_process_can_not_use_a_spool_that_is_in_use(
    manager: InfluxManager, server: servers.InfluxDB, store: Store, tmp_path: Path
) -> None:
    """Until its writer is closed."""
    script = f"""
        from db_influx import InfluxManager
        manager = InfluxManager({server.url!r}, {server.org!r}, {server.token!r})
        manager.writer({store.name!r}, spool={str(tmp_path)!r}).close()
    """

    def run() -> str:
        command = [sys.executable, "-c", textwrap.dedent(script)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    with manager.writer(store.name, spool=tmp_path):
        assert "in use by another writer" in run()
    assert "" == run()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_leaves_the_spool_to_its_parent(
    manager: InfluxManager, store: Store, tmp_path: Path
) -> None:
    """The child's end does not unlock it, and its life does not keep it locked."""
    with manager.writer(store.name, spool=tmp_path):
        assert ends_well(in_a_child(lambda: None))
        with pytest.raises(InvalidArgumentError, match="in use"):
            manager.writer(store.name, spool=tmp_path)


def test_a_file_in_place_of_the_folder_is_an_error(manager: InfluxManager, tmp_path: Path) -> None:
    """It names the argument."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(InvalidArgumentError, match=r"^`spool` must be a folder that can be written"):
        manager.writer("b", spool=path)


def test_a_refused_token_is_told_although_the_points_are_safe(
    make_either: Callable[..., Any], store: Store, msname: str, tmp_path: Path
) -> None:
    """No wait mends it, so `flush` raises the error each time; the points are in the spool."""
    writer = make_either(token="wrong-token").writer(store.name, msname, spool=tmp_path, **NEVER)
    for second in range(2):
        writer.write({"v": second, "time": T0 + second * SECOND})
        with pytest.raises(AuthenticationError):
            writer.flush()
        assert second + 1 == len(batches(tmp_path))
    with pytest.raises(AuthenticationError):
        writer.close()
    with make_either().writer(store.name, msname, spool=tmp_path):
        until(store, msname, 2)
    assert {0: 0, 1: 1} == stored(store, msname)


def test_points_of_a_cancelled_loop_are_in_the_spool(
    make_async: Any, store: Store, msname: str, tmp_path: Path
) -> None:
    """Nobody closed the writer, and nothing is lost."""

    async def main() -> None:
        writer = make_async(url=AWAY).writer(store.name, msname, spool=tmp_path, **NEVER)
        await writer.write({"v": 1, "time": T0})
        await asyncio.sleep(0)

    asyncio.run(main())
    [name] = batches(tmp_path)
    assert f"{msname} v=1i {T0}\n".encode() in (tmp_path / name).read_bytes()
