"""`db-influx check`: the server, the token, and what it may read and write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from influxdb_client import Permission, PermissionResource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from influxdb_client import InfluxDBClient

    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store
    from tools import servers


@pytest.fixture
def make_token(official: InfluxDBClient) -> Iterator[Callable[..., str]]:
    """Give a function that makes a token with these rights on a bucket."""
    made = []
    [organization] = official.organizations_api().find_organizations(org=official.org)

    def make(store: Store, *rights: str) -> str:
        resource = PermissionResource(type="buckets", id=store.number, org_id=organization.id)
        permissions = [Permission(action=right, resource=resource) for right in rights]
        made.append(official.authorizations_api().create_authorization(organization.id, permissions))
        return str(made[-1].token)

    yield make
    for one in made:
        official.authorizations_api().delete_authorization(one)


@pytest.mark.parametrize("rights", [("read",), ("write",), ("read", "write")])
def test_it_tells_what_a_token_may(
    cli: Cli,
    store: Store,
    server: servers.InfluxDB,
    make_token: Callable[..., str],
    official: InfluxDBClient,
    rights: tuple[str, ...],
) -> None:
    """Of the bucket that is named; nothing is written to find out."""
    settings = server.environment() | {"INFLUXDB_TOKEN": make_token(store, *rights)}
    done = cli("check", store.name, "--format", "jsonl", settings=settings)

    rows = [tuple(json.loads(line).values()) for line in done.stdout.splitlines()]
    assert ("server", "InfluxDB", official.version().removeprefix("v")) == rows[1]
    assert [("token", "", "accepted"), ("bucket", store.name, " and ".join(rights))] == rows[2:]
    assert [] == store.points()
    assert settings["INFLUXDB_TOKEN"].encode() not in done.stdout + done.stderr


def test_without_names_it_is_about_all_that_may_be_read(cli: Cli, store: Store) -> None:
    """A bucket that does not exist is neither read nor written."""
    every = cli("check", "--format", "jsonl").stdout.decode().splitlines()
    [*_, none] = cli("check", "nobody-made-this", "--format", "jsonl").stdout.decode().splitlines()

    assert {"check": "bucket", "name": store.name, "result": "read and write"} in map(json.loads, every)
    assert "neither read nor write" == json.loads(none)["result"]


def test_a_refused_token_is_told_with_where_it_comes_from(cli: Cli, server: servers.InfluxDB) -> None:
    """And never shown."""
    settings = server.environment() | {"INFLUXDB_TOKEN": "nobody-made-this-token"}
    done = cli("check", settings=settings, code=5)

    assert b"the environment" in done.stderr
    assert b"nobody-made-this-token" not in done.stderr
