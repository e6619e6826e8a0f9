"""The download of a snapshot: what is asked for, what is whole, what is left, and what may go wrong."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DiskSpaceError,
    IncompleteResultError,
    InvalidArgumentError,
    NotFoundError,
    ParseError,
    QueryError,
)
from db_influx import Progress, Snapshot
from db_influx._backup import BucketList
from tests.influx.answers import chunked, http
from tests.influx.backups import BOUNDARY, archive, listed, metadata, metrics, multipart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from influxdb_client import InfluxDBClient

    from db_core import Retry
    from db_influx import AsyncInfluxManager, InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer, Turn

SPAN = ("2026-01-01", "2026-01-02")
WEEKS = ("2026-01-05", "2026-01-12", "2026-01-19")  # at which shards begin
SECOND = 1_000_000_000
T0 = 1_767_571_200 * SECOND  # 2026-01-05T00:00:00Z
WEEK = 7 * 86_400 * SECOND
NO_SHARD = http(b'{"code":"not found","message":"shard 1 not found"}', status="404 Not Found")


def paths(peer: Peer) -> list[str]:
    """Return the paths that a peer was asked for."""
    return [request.split(b" ")[1].split(b"?")[0].decode() for request in peer.requests]


# --- From the real server -----------------------------------------------------------


@pytest.fixture
def weeks(own_store: Store) -> Store:
    """Give a bucket with points in three shards."""
    own_store.write(
        *(f"m v={week} {T0 + week * WEEK + hour * 3_600 * SECOND}" for week in range(3) for hour in range(99))
    )
    return own_store


def test_only_shards_that_overlap_the_range_come(
    manager: InfluxManager, weeks: Store, tmp_path: Path
) -> None:
    """A range within the second week needs one; one that ends where the third begins needs that too.

    Its first instant may hold the total that closes the range.
    """
    counts = []
    for stop in ("2026-01-18", WEEKS[2]):
        with manager.snapshot(weeks.name, WEEKS[1], stop, folder=tmp_path):
            [folder] = tmp_path.iterdir()
            counts.append(len(list(folder.iterdir())))

    assert [1, 2] == counts


def test_nothing_is_left_behind(manager: InfluxManager, weeks: Store, tmp_path: Path) -> None:
    """Neither after the block, nor where it fails, nor where the download does."""
    with manager.snapshot(weeks.name, WEEKS[0], WEEKS[2], folder=tmp_path) as snapshot:
        assert 1 == len(list(tmp_path.iterdir()))
    assert [] == list(tmp_path.iterdir())
    with pytest.raises(InvalidArgumentError, match="closed"):
        snapshot.measurements()

    def stop(progress: Progress) -> None:
        if progress.bytes:
            raise KeyError(progress)

    with pytest.raises(KeyError):
        manager.snapshot(weeks.name, WEEKS[0], WEEKS[2], folder=tmp_path, progress=stop)
    assert [] == list(tmp_path.iterdir())


def test_progress_counts_the_bytes(manager: InfluxManager, weeks: Store, tmp_path: Path) -> None:
    """Up to those of all files, and never back; the shards are its slices."""
    seen: list[Progress] = []
    with manager.snapshot(
        weeks.name,
        WEEKS[0],
        "2026-01-26",
        folder=tmp_path,
        progress=seen.append,
    ):
        size = sum(path.stat().st_size for path in tmp_path.glob("*/*"))

    assert (size, 3, 3) == (seen[-1].bytes, seen[-1].slices, seen[-1].of_slices)
    assert sorted(progress.bytes for progress in seen) == [progress.bytes for progress in seen]


def test_a_token_without_the_right_is_told_which_one_is_needed(
    make_manager: Callable[..., InfluxManager], official: InfluxDBClient, weeks: Store
) -> None:
    """One that may read the bucket may not make a snapshot of it."""
    org = official.organizations_api().find_organizations()[0].id
    resource = {"type": "buckets", "orgID": org}
    created = official.authorizations_api().create_authorization(
        org_id=org, permissions=[{"action": "read", "resource": resource}]
    )
    manager = make_manager(token=created.token)

    with pytest.raises(AuthenticationError, match="operator token") as caught:
        manager.snapshot(weeks.name, *SPAN)

    assert 401 == caught.value.status


def test_a_bucket_that_is_not_there_is_an_error(manager: InfluxManager) -> None:
    """As for every read."""
    with pytest.raises(NotFoundError, match="nobody-made-this"):
        manager.snapshot("nobody-made-this", *SPAN)


def test_asyncio_awaits_or_enters_it(
    make_async: Callable[..., AsyncInfluxManager], weeks: Store, tmp_path: Path
) -> None:
    """Entered, it is closed in the end; awaited, it is the caller's to close."""

    async def main() -> tuple[list[str], list[str]]:
        async with make_async() as manager:
            async with manager.snapshot(weeks.name, *WEEKS[:2], folder=tmp_path) as entered:
                names = await asyncio.to_thread(entered.measurements)
            awaited = await manager.snapshot(weeks.name, *WEEKS[:2], folder=tmp_path)
            with awaited:
                assert isinstance(awaited, Snapshot)
                return names, await asyncio.to_thread(awaited.measurements)

    assert (["m"], ["m"]) == asyncio.run(main())
    assert [] == list(tmp_path.iterdir())


# --- From a peer --------------------------------------------------------------------

CUT: dict[str, Turn] = {
    "HTTP ends early": chunked(archive()[:1_024], end=b""),
    "nothing": http(b""),
    "in a head": http(archive()[:300]),
    "in a file": http(archive()[:2_000]),
    "before the end mark": http(archive()[: 512 + 3_072]),
    "in the end mark": http(archive()[: 512 + 3_072 + 512]),
    "an error behind the end mark": http(archive() + b'{"code":"internal error"}'),
    "no archive": http(b"<html>" * 999),
}


@pytest.mark.parametrize("name", CUT)
def test_a_cut_archive_is_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], tmp_path: Path, name: str
) -> None:
    """Wherever it is cut, also where HTTP says that it was whole; and nothing is left."""
    manager = call_peer(peer(metadata(listed(1)), metrics(), CUT[name]))

    with pytest.raises(IncompleteResultError, match=r"archive|cut off"):
        manager.snapshot("b", *SPAN, folder=tmp_path)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.usefixtures("at_once")
def test_a_cut_archive_is_asked_for_again(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """And the whole one that comes then takes its place."""
    one = peer(metadata(listed(1)), metrics(), CUT["in a file"], http(archive()), metrics())
    with call_peer(one, retries=1).snapshot("b", *SPAN) as snapshot:
        assert [] == snapshot.measurements()

    shard = "/api/v2/backup/shards/1"
    assert ["/api/v2/backup/metadata", "/metrics", shard, shard, "/metrics"] == paths(one)


@pytest.mark.usefixtures("at_once")
def test_a_shard_that_can_not_be_copied_yet_is_asked_for_again(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """InfluxDB then answers with an internal error, which is the caller's where there are no retries."""
    text = b'{"code":"internal error","message":"An internal error has occurred - check server logs"}'
    busy = http(text, status="500 Internal Server Error")
    told: list[float] = []

    def stop(retry: Retry) -> None:
        told.append(retry.seconds)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        call_peer(peer(metadata(listed(1)), metrics(), busy), retries=3, on_retry=stop).snapshot("b", *SPAN)
    # The server looks every ten seconds which shards are in use, and there are three retries.
    assert 10 < 3 * told[0]

    monkeypatch.setattr("db_influx._requests._UNTIL_IN_USE", 0.0)
    one = peer(metadata(listed(1)), metrics(), busy, http(archive()), metrics())
    with call_peer(one, retries=1).snapshot("b", *SPAN) as snapshot:
        assert [] == snapshot.measurements()

    with pytest.raises(QueryError, match="internal error"):
        call_peer(peer(metadata(listed(1)), metrics(), busy), retries=0).snapshot("b", *SPAN)


def test_the_disk_is_checked_first(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], tmp_path: Path
) -> None:
    """Where the server tells that the shards are larger than the disk, none is asked for."""
    one = peer(metadata(listed(1)), metrics(size=10**15))

    with pytest.raises(DiskSpaceError, match="1,000,000,000"):
        call_peer(one).snapshot("b", *SPAN, folder=tmp_path)
    assert ["/api/v2/backup/metadata", "/metrics"] == paths(one)
    assert [] == list(tmp_path.iterdir())


def test_a_server_without_metrics_will_do(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """They can be turned off."""
    missing = http(b"not found", status="404 Not Found")
    with call_peer(peer(metadata(listed(1)), missing, http(archive()), missing)).snapshot(
        "b", *SPAN
    ) as snapshot:
        assert [] == snapshot.measurements()


def test_a_shard_whose_cache_was_not_written_is_asked_for_again(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """The server tries four times, and then sends the shard without its newest points."""
    shard = http(archive())
    one = peer(
        metadata(listed(1, 2)),
        metrics(unwritten=3),
        shard,
        shard,
        metrics(unwritten=7),
        shard,
        metrics(unwritten=8),
    )
    with call_peer(one).snapshot("b", *SPAN):
        pass

    asked = [path.removeprefix("/api/v2/backup/") for path in paths(one)]
    assert ["metadata", "/metrics", "shards/1", "shards/2", "/metrics", "shards/1", "/metrics"] == asked


def test_a_cache_that_is_never_written_is_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], tmp_path: Path
) -> None:
    """Rather than a snapshot that lacks points."""
    rounds = [turn for number in range(1, 9) for turn in (http(archive()), metrics(unwritten=4 * number))]

    with pytest.raises(IncompleteResultError, match="shard 1 may lack"):
        call_peer(peer(metadata(listed(1)), metrics(), *rounds)).snapshot("b", *SPAN, folder=tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_a_shard_that_is_deleted_meanwhile_is_empty(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """As retention deletes it; the list of shards is asked for again, and tells."""
    gone = listed(1, deletedAt="2026-01-03T00:00:00Z")
    with call_peer(peer(metadata(listed(1)), metrics(), NO_SHARD, metadata(gone), metrics())).snapshot(
        "b", *SPAN
    ) as snapshot:
        assert [] == snapshot.measurements()


def test_a_shard_that_is_listed_and_not_found_is_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Its points exist, and can't be had."""
    manager = call_peer(peer(metadata(listed(1)), metrics(), NO_SHARD, metadata(listed(1))))

    with pytest.raises(NotFoundError, match="shard 1"):
        manager.snapshot("b", *SPAN)


@pytest.mark.parametrize("size", [0, 40, 200, -1, -3, -40])
def test_cut_metadata_are_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], size: int
) -> None:
    """Wherever they end before their last mark."""
    buckets = listed(1)
    manager = call_peer(peer(metadata(buckets, size - 2 if size < 0 else size)))

    with pytest.raises(IncompleteResultError, match="metadata"):
        manager.snapshot("b", *SPAN)


@pytest.mark.parametrize(
    "answer",
    [http(b"<html>"), metadata([{"bucketName": "b"}]), metadata(5)],  # type: ignore[arg-type]
    ids=["a page", "a bucket without shards", "a number"],
)
def test_metadata_of_another_form_are_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], answer: bytes
) -> None:
    """Not a bucket without points."""
    with pytest.raises(ParseError, match="expected"):
        call_peer(peer(answer)).snapshot("b", *SPAN)


def test_any_split_of_the_metadata_gives_the_same() -> None:
    """The list of buckets is found, and no other part is kept."""
    buckets = listed(1, 2)
    text = multipart(buckets)
    for size in [*range(1, 60), len(text)]:
        sink = BucketList(f"multipart/mixed; boundary={BOUNDARY}")
        for start in range(0, len(text), size):
            sink.write(text[start : start + size])
        [bucket] = sink.finish()

        assert ("b", [1, 2]) == (bucket.name, [shard.number for shard in bucket.shards])


def test_buckets_of_two_organizations_may_have_one_name(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """The one of the manager's organization is meant, by its name or ID."""
    other: list[dict[str, Any]] = [{**listed(2)[0], "organizationName": "p", "organizationID": "a" * 16}]
    for org, shard in (("o", 1), ("p", 2), ("a" * 16, 2), ("A" * 16, 2)):
        one = peer(metadata(json.loads(json.dumps(other + listed(1)))), metrics(), http(archive()), metrics())
        with call_peer(one, org=org).snapshot("b", *SPAN):
            assert f"/api/v2/backup/shards/{shard}" == paths(one)[2]


def test_a_server_that_is_gone_is_an_error(nowhere: InfluxManager) -> None:
    """As for every read."""
    with pytest.raises(ConnectionFailedError):
        nowhere.snapshot("b", *SPAN)
