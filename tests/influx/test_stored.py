"""The files of shards against what the server itself says of them, after random histories.

`TSM_HISTORIES=100` tries so many histories.
"""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from db_core import IncompleteResultError, InvalidArgumentError, ParseError
from db_core.tsm import Shards
from tests.influx.backups import get_shard
from tests.influx.stored import exported, opened, read
from tests.peer import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from tests.influx.stored import Points, Value
    from tools import servers

HISTORIES = int(os.environ.get("TSM_HISTORIES", "2"))
HOUR = 3600 * 10**9
START = 1_700_000_400_000_000_000 // HOUR * HOUR
SHARDS = 4
MEASUREMENTS = ["m", "m x", "m,x=1", "größe"]
TAGS: list[dict[str, str]] = [{}, {"a": "1"}, {"a": "2"}, {"a": "1", "b c": "x=y,z w"}, {"b c": "1"}]
FIELDS = ["f", "i d", 'q"=,', "s", "t"]
KINDS = ["Float64", "Int64", "UInt64", "Boolean", "String"]


class History:
    """Random steps on a server of its own, and the points that they leave."""

    def __init__(self, server: servers.InfluxDB, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.points: Points = {}
        found = json.loads(self._ask("/api/v2/buckets?name=default"))["buckets"][0]
        rules = [{"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": 3600}]
        body = {"orgID": found["orgID"], "name": f"b{seed}", "retentionRules": rules}
        self.bucket: dict[str, str] = json.loads(self._ask("/api/v2/buckets", body))

    def _ask(self, path: str, body: object = None) -> bytes:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        token = {"Authorization": f"Token {self.server.token}"}
        with urlopen(Request(self.server.url + path, data, token), timeout=PATIENCE) as answer:
            said: bytes = answer.read()
            return said

    def write(self) -> None:
        """Write points: a run of one field, or some here and there; of a type that the shard decides."""
        shard, measurement = self.random.randrange(SHARDS), self.random.choice(MEASUREMENTS)
        lines = []
        for _ in range(self.random.randint(1, 6)):
            tags, field = self.random.choice(TAGS), self.random.choice(FIELDS)
            kind = KINDS[(FIELDS.index(field) + MEASUREMENTS.index(measurement) + shard) % len(KINDS)]
            step = self.random.choice([1, 10**6, 10**9, 7 * 10**8])
            count = self.random.choice([1, 3, 40, 1200])
            # Within the shard, as the next one has other types.
            first = START + shard * HOUR + self.random.randrange(70) * 30 * 10**9
            for number in range(count):
                time = first + number * step
                value = self._value(kind, number)
                self.points[measurement, tuple(sorted(tags.items())), field, time] = value
                lines.append(_line(measurement, tags, field, value, time))
        path = f"/api/v2/write?orgID={self.bucket['orgID']}&bucket={self.bucket['id']}&precision=ns"
        self._ask(path, "\n".join(lines).encode())

    def _value(self, kind: str, number: int) -> Value:
        chance = self.random
        if kind == "Float64":
            return kind, chance.choice([chance.random(), round(chance.random() * 100, 2), 1.5, -0.0, 1e300])
        if kind == "Int64":
            return kind, chance.choice([chance.randint(-(2**63), 2**63 - 1), number, 7])
        if kind == "UInt64":
            return kind, chance.choice([chance.randint(0, 2**64 - 1), 10 * number])
        if kind == "Boolean":
            return kind, chance.random() < 0.5
        return kind, chance.choice(["", "é", 'a"b\\c', "x" * 300, str(number)])

    def delete(self) -> None:
        """Delete a range of time of all, of a measurement, or of what has a tag."""
        first = START + self.random.randrange(SHARDS * 60) * 60 * 10**9 + 500
        last = first + self.random.choice([1, 20, 60, 300]) * 60 * 10**9
        measurement = self.random.choice([None, *MEASUREMENTS])
        value = self.random.choice([None, "1", "2"])
        wanted = [f"_measurement={json.dumps(measurement, ensure_ascii=False)}"] if measurement else []
        wanted += [f'a="{value}"'] if value else []
        path = f"/api/v2/delete?orgID={self.bucket['orgID']}&bucket={self.bucket['name']}"
        body = {"start": _moment(first), "stop": _moment(last), "predicate": " AND ".join(wanted)}
        try:
            self._ask(path, body)
        except TimeoutError:  # a deletion and a compaction of the index wait for each other
            self.server.kill()
            self.server.restart()
            self._ask(path, body)
        for place in list(self.points):
            if (
                first <= place[3] <= last
                and measurement in (None, place[0])
                and value in (None, dict(place[1]).get("a"))
            ):
                del self.points[place]

    def flush(self) -> None:
        """Have the server write its cache into files, as for a backup."""
        for shard in self.shards():
            get_shard(self.server, shard)

    def shards(self) -> list[int]:
        """List the shards of the bucket."""
        said = self._ask("/api/v2/backup/metadata").decode(errors="replace")
        listed = said.index("[", said.rindex("application/json"))
        buckets = json.JSONDecoder().raw_decode(said[listed:])[0]
        policies = [each["retentionPolicies"] for each in buckets if each["bucketID"] == self.bucket["id"]]
        groups = [group for each in policies for policy in each for group in policy["shardGroups"] or ()]
        return [shard["id"] for group in groups for shard in group["shards"]]

    def step(self) -> None:
        """Do anything."""
        chosen = self.random.choices([self.write, self.delete, self.flush, self.restart], [12, 3, 4, 1])[0]
        chosen()

    def restart(self) -> None:
        """End the server, in order or not, and start it again."""
        if self.random.random() < 0.5:
            self.server.kill()
        self.server.restart()


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"


def _line(measurement: str, tags: dict[str, str], field: str, value: Value, time: int) -> str:
    def escaped(text: str, special: str) -> str:
        return "".join("\\" + each if each in special else each for each in text)

    kind, plain = value
    if kind == "String":
        written = '"' + escaped(str(plain), '"\\') + '"'
    elif kind == "Boolean":
        written = str(plain).lower()
    else:
        written = repr(plain) + {"Float64": "", "Int64": "i", "UInt64": "u"}[kind]
    pairs = "".join(f",{escaped(name, ' ,=')}={escaped(text, ' ,=')}" for name, text in sorted(tags.items()))
    return f"{escaped(measurement, ' ,')}{pairs} {escaped(field, ' ,=')}={written} {time}"


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_is_stored_is_read(
    seed: int, tmp_path: Path, servers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After writes, deletes, compactions and restarts: what was written, and what the server says."""
    # So that files are compacted, now and then, while more is written.
    monkeypatch.setenv("INFLUXD_STORAGE_COMPACT_FULL_WRITE_COLD_DURATION", "1s")
    engine = tmp_path / "engine"
    with servers.influxdb(engine=engine) as server:
        history = History(server, seed)
        for _ in range(history.random.randint(15, 40)):
            history.step()
        bucket = history.bucket["id"]
        # With a WAL, of which `export-lp` can't tell what is deleted.
        server.kill()
        unflushed = read(opened(engine, bucket))
        assert history.points == unflushed

        server.restart()
        history.flush()
        server.kill()
        flushed = read(opened(engine, bucket), threads=1)
        assert history.points == flushed
        told = exported(engine, bucket, tmp_path / "lines")
        if any(file.stat().st_size for file in (engine / "wal" / bucket).glob("*/*/*.wal")):
            # The server keeps a WAL of which all is deleted, and does not export its deletes.
            told = {place: told[place] for place in flushed}
        assert told == flushed


def test_a_file_of_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Its absence is an incomplete result, never fewer points."""
    missing = str(tmp_path / "000000001-000000001.tsm")

    with pytest.raises(IncompleteResultError, match=r"000000001-000000001\.tsm can't be read: No such file"):
        Shards([[("000000001-000000001.tsm", missing, 0, None)]])


def test_a_damaged_file_is_named_with_the_byte(tmp_path: Path) -> None:
    """Also where it is a part of an archive; offsets are the file's own."""
    archive = tmp_path / "shard.tar"
    archive.write_bytes(b"-" * 512 + b"not a TSM file")

    with pytest.raises(ParseError) as caught:
        Shards([[("000000001-000000001.tsm", str(archive), 512, 14)]])

    assert 0 == caught.value.offset
    expected = (
        f"000000001-000000001.tsm (in {archive} from byte 512 on) is damaged at byte 0: it does not start"
    )
    assert str(caught.value).startswith(expected)
    with pytest.raises(IncompleteResultError, match="it ends after 526 bytes"):
        Shards([[("000000001-000000001.tsm", str(archive), 512, 15)]])


def test_a_file_that_is_none_of_a_shard_is_refused(tmp_path: Path) -> None:
    """Its name tells what it is."""
    (tmp_path / "fields.idx").write_bytes(b"")

    with pytest.raises(InvalidArgumentError, match=r"fields\.idx"):
        Shards([[("fields.idx", str(tmp_path / "fields.idx"), 0, None)]])
