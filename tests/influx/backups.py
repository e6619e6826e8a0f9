"""What InfluxDB's backup API answers, made by hand, and backup folders as `influx backup` makes them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
import urllib.error
import urllib.request
from email.parser import BytesParser
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tests.influx.answers import http
from tests.peer import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tools import servers

BOUNDARY = "8c7d89e1a2c4"
GROUP = {"id": 7, "startTime": "2025-12-29T00:00:00Z", "endTime": "2026-01-05T00:00:00Z"}


def listed(*shards: int, name: str = "b", **group: Any) -> list[dict[str, Any]]:
    """Return the list of a bucket with a shard group."""
    group = {**GROUP, "shards": [{"id": number, "shardOwners": []} for number in shards], **group}
    policy = {"name": "autogen", "shardGroups": [group]}
    names = {"organizationID": "0123456789abcdef", "organizationName": "o", "bucketID": "fedcba9876543210"}
    return [{**names, "bucketName": name, "retentionPolicies": [policy]}]


def multipart(buckets: list[dict[str, Any]]) -> bytes:
    """Return the metadata of a backup, whose other parts look like the one that is wanted."""
    decoy = b'\r\n\r\n[]\r\n--8c7d89e1a2c name="buckets"\r\n\r\n\0\xff\r\n-'
    parts = {"kv": decoy, "sql": b"", "buckets": json.dumps(buckets).encode() + b"\n"}
    text = b""
    for name, body in parts.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: attachment; name="{name}"\r\n\r\n'
        text += head.encode() + body + b"\r\n"
    return text + f"--{BOUNDARY}--\r\n".encode()


def metadata(buckets: list[dict[str, Any]], size: int | None = None) -> bytes:
    """Return the whole answer about the metadata, or its first bytes, with an end of HTTP all the same."""
    return http(multipart(buckets)[:size], f"Content-Type: multipart/mixed; boundary={BOUNDARY}")


def metrics(size: int = 0, unwritten: int = 0) -> bytes:
    """Return what a server tells of shard 1: its size, and how often its cache stayed unwritten."""
    labels = 'bucket="fedcba9876543210",engine="tsm1",id="1"'
    lines = [
        f"storage_shard_disk_size{{{labels}}} {size:g}",
        f'storage_compactions_failed{{{labels},level="cache"}} {unwritten}',
        f'storage_compactions_failed{{{labels},level="1"}} 99',
    ]
    return http("\n".join(["# HELP x y", *lines, ""]).encode())


def archive(size: int = 3_000) -> bytes:
    """Return an archive with a file that is none of a shard's."""
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w", format=tarfile.USTAR_FORMAT) as made:
        member = tarfile.TarInfo("fedcba9876543210/autogen/1/notes.txt")
        member.size = size
        made.addfile(member, io.BytesIO(b"x" * size))
    return text.getvalue()


def get(server: servers.InfluxDB, path: str) -> tuple[str, bytes]:
    """Return the Content-Type and the body of an answer of the real server."""
    request = urllib.request.Request(
        f"{server.url}{path}", headers={"Authorization": f"Token {server.token}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.headers["Content-Type"], answer.read()


def get_shard(server: servers.InfluxDB, number: int) -> bytes:
    """Return the archive of a shard; InfluxDB answers 500 up to ten seconds after its first points."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return get(server, f"/api/v2/backup/shards/{number}")[1]
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.INTERNAL_SERVER_ERROR or time.monotonic() > end:
                raise
        time.sleep(0.1)


def back_up(server: servers.InfluxDB, folder: Path, bucket_id: str, *, compress: bool) -> None:
    """Make a backup of a bucket as `influx backup` of 2.7 does: a manifest, and an archive for each shard.

    The manifest lists the other buckets without their shards, which may be deleted meanwhile.
    """
    kind, body = get(server, "/api/v2/backup/metadata")
    message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    parts = {part.get_param("name", header="Content-Disposition"): part for part in message.get_payload()}
    buckets = json.loads(parts["buckets"].get_payload(decode=True))
    start = "20261129T081500Z"
    suffix = ".gz" if compress else ""
    for bucket in buckets:
        for policy in bucket["retentionPolicies"]:
            if bucket["bucketID"] != bucket_id:
                policy["shardGroups"] = []
            for shard in [shard for group in policy["shardGroups"] for shard in group["shards"]]:
                tar = get_shard(server, shard["id"])
                name = f"{start}.{shard['id']}.tar{suffix}"
                (folder / name).write_bytes(gzip.compress(tar) if compress else tar)
                shard |= {"fileName": name, "size": len(tar), "compression": int(compress)}
    manifest = {"manifestVersion": 2, "kv": {}, "sql": {}, "buckets": buckets}
    (folder / f"{start}.manifest").write_text(json.dumps(manifest, indent=2))
