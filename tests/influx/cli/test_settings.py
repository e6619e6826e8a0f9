"""Where the command line finds its server: profile, environment, `influx` CLI; and who may read the token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.influx.cli.conftest import Cli
    from tools import servers

NOWHERE = "http://127.0.0.1:9"
LIST = ("buckets", "list")


def table(name: str, url: str, server: servers.InfluxDB, *, token: bool = True, extra: str = "") -> str:
    """Give a profile as TOML."""
    secret = f'token = "{server.token}"\n' if token else ""
    return f'[{name}]\nurl = "{url}"\norg = "{server.org}"\n{secret}{extra}'


def source(cli: Cli, *arguments: str, settings: dict[str, str]) -> str:
    """Give what `check` says of the settings that it used."""
    done = cli("check", *arguments, "--format", "jsonl", settings=settings)
    return str(json.loads(done.stdout.splitlines()[0])["name"])


def test_the_order_of_sources(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path], tmp_path: Path
) -> None:
    """A named profile, the environment, the profile `default`, and what is active in the `influx` CLI."""
    influx = tmp_path / ".influxdbv2" / "configs"
    influx.parent.mkdir()
    influx.write_text(
        table("idle", NOWHERE, server) + table("used", server.url, server, extra="active = true\n")
    )
    influx.chmod(0o600)
    own = profiles(table("other", server.url, server))

    assert f"'used' of {influx}" == source(cli, settings={})
    profiles(table("other", server.url, server) + table("default", server.url, server))
    assert f"profile 'default' of {own}" == source(cli, settings={})
    assert "the environment" == source(cli, settings=server.environment())
    assert f"profile 'other' of {own}" == source(cli, "--profile", "other", settings=server.environment())
    assert f"profile 'other' of {own}" == source(cli, settings={"DB_INFLUX_PROFILE": "other"})
    cli(*LIST, "--profile", "idle", settings={}, code=4)  # a configuration of the influx CLI, by its name


def test_a_profile_has_options_of_the_manager(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path]
) -> None:
    """What is no option is an error that names the file."""
    path = profiles(table("default", NOWHERE, server, extra="retries = 0\ntz = 'Asia/Kolkata'\n"))
    cli(*LIST, settings={}, code=4)
    profiles(table("default", server.url, server, extra="retrys = 0\n"))
    done = cli(*LIST, settings={}, code=3)

    assert "retrys" in done.stderr.decode()
    assert str(path) in done.stderr.decode()


def test_no_settings_at_all_are_told(cli: Cli) -> None:
    """The message names the variables and the file."""
    done = cli(*LIST, settings={}, code=3)

    for word in ("INFLUXDB_URL", "INFLUXDB_ORG", "INFLUXDB_TOKEN", "config.toml"):
        assert word in done.stderr.decode()


def test_a_part_of_the_environment_is_not_filled_from_a_file(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path]
) -> None:
    """A token of a profile never goes to the address of the environment."""
    profiles(table("default", server.url, server))
    done = cli(*LIST, settings={"INFLUXDB_URL": server.url}, code=3)

    assert "INFLUXDB_TOKEN" in done.stderr.decode()


def test_a_profile_that_is_not_there_is_told(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path]
) -> None:
    """With those that are."""
    profiles(table("default", server.url, server) + table("far", server.url, server))
    done = cli(*LIST, "--profile", "near", code=3)

    assert "default, far" in done.stderr.decode()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_with_a_token_that_others_may_read_is_refused(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path], mode: int
) -> None:
    """The message is the command that helps; without a token the file may be read."""
    path = profiles(table("default", server.url, server))
    path.chmod(mode)
    done = cli(*LIST, settings={}, code=3)

    assert f"chmod 600 {path}" in done.stderr.decode()
    path.write_text(table("default", server.url, server, token=False))
    cli(*LIST, "--token-file", "-", settings={}, stdin=f"{server.token}\n")


def test_a_token_comes_from_a_file(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path], tmp_path: Path
) -> None:
    """That an option or a profile names; white space around it is left out."""
    (tmp_path / "token").write_text(f"{server.token}\n")
    settings = {**server.environment(), "INFLUXDB_TOKEN": "wrong-token"}

    cli(*LIST, settings=settings, code=5)
    cli(*LIST, "--token-file", "token", settings=settings)
    profiles(table("default", server.url, server, token=False, extra='token_file = "token"\n'))
    cli(*LIST, settings={})


def test_a_file_of_profiles_that_is_no_toml_is_not_quoted(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path]
) -> None:
    """Since what can't be read may be the token; the place in the file is told."""
    path = profiles(f"[default]\ntoken = {server.token}\n")
    done = cli(*LIST, settings={}, code=3)

    assert done.stderr.decode().startswith(f"Error: {path} is not TOML (at line 2, column ")


def test_an_empty_token_is_told(cli: Cli, tmp_path: Path) -> None:
    """Of a file and of stdin; a file that is not there has a code of its own."""
    (tmp_path / "empty").write_text(" \n")

    assert b"no token" in cli(*LIST, "--token-file", "empty", code=3).stderr
    assert b"no token" in cli(*LIST, "--token-file", "-", stdin="", code=3).stderr
    cli(*LIST, "--token-file", "nowhere", code=11)


def test_a_profile_that_is_no_table_is_told(cli: Cli, profiles: Callable[[str], Path]) -> None:
    """With what to write."""
    profiles("default = 1\n")

    assert b"[default]" in cli(*LIST, settings={}, code=3).stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('tz = "Mars/Base"', "`tz`"),
        ('gzip = "yes"', "`gzip`"),
        ("timeout = true", "`timeout`"),
        ('ca_cert = "/nowhere.pem"', "`ca_cert`"),
        ("token_file = 5", "`token_file`"),
    ],
)
def test_a_malformed_option_of_a_profile_is_told_with_its_file(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path], line: str, told: str
) -> None:
    """It is an error of the settings, not of how the command is used."""
    path = profiles(table("default", server.url, server, extra=f"{line}\n"))
    message = cli(*LIST, settings={}, code=3).stderr.decode()

    assert told in message
    assert str(path) in message


def test_a_file_that_is_not_needed_is_not_read(
    cli: Cli, server: servers.InfluxDB, profiles: Callable[[str], Path], tmp_path: Path
) -> None:
    """A profile works beside a configuration of the `influx` CLI that is damaged or open to all."""
    influx = tmp_path / "configs"
    influx.write_text(table("used", NOWHERE, server))
    influx.chmod(0o644)
    profiles(table("default", server.url, server) + table("far", server.url, server))
    settings = {"INFLUX_CONFIGS_PATH": str(influx)}

    cli(*LIST, settings=settings)
    influx.write_text("no TOML")
    cli(*LIST, "--profile", "far", settings=settings)
