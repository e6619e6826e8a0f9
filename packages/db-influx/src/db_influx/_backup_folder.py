"""A bucket's shards on this machine: in an `influx backup`, or in the engine folder of a stopped server."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from db_core.errors import IncompleteResultError, NotFoundError, ParseError
from db_influx._arguments import invalid
from db_influx._backup import Folder, about_space, buckets_of, check_space, is_of_shard, members, shard_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db_influx._backup import Bucket, File

__all__ = ["find"]

_PIECE = 1 << 20  # bytes


def find(path: Path, bucket: str | None) -> tuple[list[list[File]], Folder | None]:
    """Return the files of each shard, and the folder to remove in the end if some had to be unpacked.

    Args:
        path: A folder made by `influx backup`, or an engine folder.
        bucket: Name or ID of the bucket, in an engine folder its ID; None is the only one that there is.
    """
    # A folder may hold several backups, whose names begin with their times.
    if manifests := sorted(path.glob("*.manifest")):
        return _of_backup(manifests[-1], bucket)
    if (path / "data").is_dir():
        return _of_engine(path, bucket), None
    message = (
        f"must be a folder made by `influx backup`, with a file *.manifest, or InfluxDB's engine folder, "
        f"with a folder data; {str(path)!r} has neither"
    )
    raise invalid("path", message)


def _chosen(names: Sequence[str], bucket: str | None, place: Path) -> str:
    """Return the bucket that is meant, of those that there are."""
    listed = ", ".join(names) or "none"
    if bucket is not None and bucket not in names:
        raise NotFoundError(f"no bucket {bucket!r} in {place}; there are: {listed}")
    if bucket is None and len(names) != 1:
        raise invalid("bucket", f"must name one of the buckets in {place}: {listed}")
    return names[0] if bucket is None else bucket


# --- A backup ---------------------------------------------------------------------


def _of_backup(manifest: Path, name: str | None) -> tuple[list[list[File]], Folder | None]:
    try:
        buckets = buckets_of(json.loads(manifest.read_bytes())["buckets"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParseError(f"{manifest} is not the manifest of a backup: {error}", offset=0) from error
    bucket = _bucket(buckets, name, manifest)
    archives = [manifest.parent / _plain(shard.file, manifest) for shard in bucket.shards if shard.file]
    for archive in archives:
        if not archive.is_file():
            raise IncompleteResultError(f"the backup lacks {archive}, which {manifest.name} names")
    packed = [archive for archive in archives if archive.suffix == ".gz"]
    if not packed:
        return [members(archive) for archive in archives], None
    folder = Folder()
    try:
        unpacked = {archive: _unpack(archive, folder.path) for archive in packed}
        return [members(unpacked.get(archive, archive)) for archive in archives], folder
    except BaseException:
        folder.cleanup()
        raise


def _bucket(buckets: Sequence[Bucket], name: str | None, manifest: Path) -> Bucket:
    # Buckets of two organizations may have one name.
    named = [bucket for bucket in buckets if name in (bucket.name, bucket.number)]
    if len(named) == 1:
        return named[0]
    if named:
        listed = ", ".join(f"{bucket.number} of {bucket.org_name}" for bucket in named)
        raise invalid("bucket", f"must be the ID of one of the buckets {name!r}: {listed}")
    chosen = _chosen([bucket.name for bucket in buckets], name, manifest)
    return next(bucket for bucket in buckets if bucket.name == chosen)


def _plain(name: str, manifest: Path) -> str:
    if Path(name).name != name:
        raise ParseError(f"{manifest} names a file outside of its folder: {name!r}", offset=0)
    return name


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive, because a packed file can't be read from the middle."""
    path = folder / archive.stem
    try:
        with gzip.open(archive) as source, about_space(folder), path.open("wb") as target:
            while piece := source.read(_PIECE):
                check_space(folder, len(piece))
                target.write(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise IncompleteResultError(f"{archive} is damaged: {error}") from error
    return path


# --- An engine folder ---------------------------------------------------------------


def _of_engine(engine: Path, bucket: str | None) -> list[list[File]]:
    _check_stopped(engine)
    names = sorted(folder.name for folder in (engine / "data").iterdir() if folder.is_dir())
    chosen = _chosen(names, bucket, engine)
    shards: dict[tuple[str, str], list[File]] = {}
    for kind in ("data", "wal"):
        # A folder for each retention policy, and in it one for each shard.
        for path in sorted((engine / kind / chosen).glob("*/*/*")):
            if is_of_shard(path.name) and path.is_file():
                shards.setdefault((path.parts[-3], path.parts[-2]), []).append(shard_file(path))
    return list(shards.values())


def _check_stopped(engine: Path) -> None:
    """Raise an error if InfluxDB uses the folder, as far as that can be told.

    It locks its metadata file, which is by default beside the engine folder.
    """
    with suppress(ImportError, FileNotFoundError):
        import fcntl

        with (engine.parent / "influxd.bolt").open("rb") as metadata:
            try:
                fcntl.flock(metadata, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"must be the engine folder of a stopped server; InfluxDB is running on {engine}"
                raise invalid("path", f"{message}. Stop it, or use `InfluxManager.snapshot`") from error
