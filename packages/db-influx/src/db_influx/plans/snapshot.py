"""A snapshot of a bucket: its shards, downloaded through the backup API to a folder of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core.errors import AuthenticationError, DatabaseError, IncompleteResultError, NotFoundError
from db_influx._backup import Bucket, BucketList, Folder, Metrics, ShardArchive, check_space
from db_influx._steps import Download, Report, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from db_influx._backup import File
    from db_influx._steps import Steps

__all__ = ["Wanted", "download"]

_ATTEMPTS = 4  # of the server, to write the cache of a shard before it sends the shard
_TRIES = 5  # to download a shard whose cache was not written


class Wanted(NamedTuple):
    """What a snapshot is of.

    Attributes:
        bucket: Name of the bucket.
        org: Name or ID of the organization.
        start: Nanoseconds since the epoch, included.
        stop: Nanoseconds since the epoch, excluded.
    """

    bucket: str
    org: str
    start: int
    stop: int


def download(
    wanted: Wanted,
    place: Path | None,
    make: Callable[[list[list[File]], Folder], Any],
) -> Steps[Any]:
    """Download the shards that overlap a range.

    Args:
        wanted: The bucket and the range.
        place: Folder for the temporary folder of the snapshot. None means the system's.
        make: Makes the snapshot from the files of its shards, and the folder that they are in.
    """
    bucket = yield from _bucket(wanted)
    # With the shard that begins where the range ends: its first instant closes the last window of meters.
    shards = [shard for shard in bucket.shards if shard.start <= wanted.stop and wanted.start < shard.stop]
    metrics = yield from _metrics()
    folder = Folder(place)
    try:
        path = folder.path
        sizes = {shard.number: metrics.sizes[shard.number] for shard in shards} if metrics else {}
        check_space(path, sum(sizes.values()))
        expected = 0
        files: dict[int, list[File]] = {}
        waiting = [shard.number for shard in shards]
        tries = 0
        while waiting:
            tries += 1
            expected += sum(sizes.get(number, 0) for number in waiting)
            yield Report(of_bytes=expected or None, of_slices=len(files) + len(waiting))
            for number in waiting:
                files[number] = yield from _shard(wanted, number, path)
                yield Report(slices=1)
            before, metrics = metrics, (yield from _metrics())
            waiting = _unwritten(before, metrics, waiting, tries)
        of_shards = [files[shard.number] for shard in shards]
        return (yield Work(partial(make, of_shards, folder), expected))
    except BaseException:
        folder.cleanup()
        raise


def _bucket(wanted: Wanted) -> Steps[Bucket]:
    try:
        buckets: list[Bucket] = yield Download("api/v2/backup/metadata", BucketList)
    except AuthenticationError as error:
        told = "a snapshot needs the operator token, such as that of the server's first setup"
        named = AuthenticationError(f"{told}: {error}")
        named.status = error.status
        raise named from error
    for bucket in buckets:
        is_of_org = wanted.org == bucket.org_name or wanted.org.lower() == bucket.org_number
        if bucket.name == wanted.bucket and is_of_org:
            return bucket
    message = f'bucket "{wanted.bucket}" of organization "{wanted.org}" not found'
    raise NotFoundError(message)


def _metrics() -> Steps[Metrics | None]:
    """Ask the server for its metrics, which it may not show."""
    try:
        metrics: Metrics = yield Download("metrics", Metrics)
    except DatabaseError:
        return None
    return metrics


def _shard(wanted: Wanted, number: int, folder: Path) -> Steps[list[File]]:
    """Download a shard; one that was deleted meanwhile has no files."""
    path = folder / f"{number}.tar"
    try:
        files: list[File] = yield Download(
            f"api/v2/backup/shards/{number}", lambda _: ShardArchive(path), counts=True
        )
    except NotFoundError:
        bucket = yield from _bucket(wanted)
        if number in [shard.number for shard in bucket.shards]:
            raise
        return []
    return files


def _unwritten(before: Metrics | None, after: Metrics | None, shards: Iterable[int], tries: int) -> list[int]:
    """Return the shards whose cache the server may have left out, as it was being written already.

    A server that shows no metrics does not show the sizes either.

    Raises:
        IncompleteResultError: There are some after several tries.
    """
    if before is None or after is None:
        return []
    found = [shard for shard in shards if after.unwritten[shard] - before.unwritten[shard] >= _ATTEMPTS]
    if found and tries >= _TRIES:
        message = (
            f"InfluxDB was writing its cache all the time, so that shard {found[0]} may lack the newest "
            "points. Make the snapshot again when fewer points are written"
        )
        raise IncompleteResultError(message)
    return found
