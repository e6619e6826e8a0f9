"""`db-influx buckets`: list, create and delete, as influxdb-client sees it."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from influxdb_client import InfluxDBClient

    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store

WEEK = 7 * 86_400


@pytest.fixture
def new_name(official: InfluxDBClient) -> Iterator[str]:
    """Give a name that no bucket has; one that has it in the end is deleted."""
    name = f"cli {uuid.uuid4()}"
    yield name
    if (made := official.buckets_api().find_bucket_by_name(name)) is not None:
        official.buckets_api().delete_bucket(made)


def test_the_list_is_csv_where_no_terminal_is(cli: Cli, store: Store) -> None:
    """A row for each bucket, with a header; one that keeps points for ever has an empty cell."""
    rows = list(csv.DictReader(io.StringIO(cli("buckets", "list").stdout.decode())))

    expected = {"name": store.name, "retention_seconds": "", "shard_seconds": str(WEEK), "id": store.number}
    assert expected in rows


def test_the_list_goes_into_a_file_of_the_format_that_its_name_says(
    cli: Cli, store: Store, tmp_path: Path
) -> None:
    """And stdout stays empty."""
    done = cli("buckets", "list", "--output", "made.jsonl")

    assert b"" == done.stdout
    rows = list(map(json.loads, (tmp_path / "made.jsonl").read_text().splitlines()))
    expected = {"name": store.name, "retention_seconds": None, "shard_seconds": WEEK, "id": store.number}
    assert expected in rows
    assert [tmp_path / "made.jsonl"] == list(tmp_path.iterdir())


def test_a_bucket_is_created_and_deleted(cli: Cli, new_name: str, official: InfluxDBClient) -> None:
    """With the retention that was asked for."""
    cli("buckets", "create", new_name, "--retention", "30d")
    made = official.buckets_api().find_bucket_by_name(new_name)
    cli("buckets", "delete", new_name, "--yes")

    assert 30 * 86_400 == made.retention_rules[0].every_seconds
    assert official.buckets_api().find_bucket_by_name(new_name) is None


def test_deletion_needs_yes_where_nobody_can_be_asked(
    cli: Cli, store: Store, official: InfluxDBClient
) -> None:
    """The code is that of usage, the message says what to do, and the bucket stays."""
    done = cli("buckets", "delete", store.name, code=2)

    assert b"--yes" in done.stderr
    assert official.buckets_api().find_bucket_by_name(store.name) is not None


def test_a_bucket_that_is_there_can_not_be_created(cli: Cli, store: Store) -> None:
    """The server's refusal has its own code and message."""
    done = cli("buckets", "create", store.name, code=7)

    assert f"Error: bucket with name {store.name} already exists\n" == done.stderr.decode()


def test_a_bucket_that_is_not_there_can_not_be_deleted(cli: Cli, new_name: str) -> None:
    """The code is that of what was not found."""
    done = cli("buckets", "delete", new_name, "--yes", code=6)

    assert new_name in done.stderr.decode()
    assert b"" == done.stdout
