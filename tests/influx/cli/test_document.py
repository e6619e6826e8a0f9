"""docs/command-line.md: its examples run, and its reference is what `--help` says."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.influx.cli.conftest import PROGRAM, environment
from tools import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from influxdb_client import InfluxDBClient

    from tests.influx.cli.conftest import Started
    from tools import servers

T0 = 1_790_812_800_000_000_000  # 2026-10-01T00:00:00Z
HOUR = 3_600_000_000_000
TEXT = command_line.PAGE.read_text()


@pytest.fixture
def _home(official: InfluxDBClient) -> Iterator[None]:
    """Make the bucket of the examples."""
    api = official.buckets_api()
    bucket = api.create_bucket(bucket_name="home")
    lines = [
        f"electricity,meter={meter} kwh={hour},power={hour % 5}.5 {T0 + hour * HOUR}"
        for meter in "AB"
        for hour in range(48)
    ]
    with official.write_api() as write:
        write.write("home", record="\n".join(lines).encode())
    yield
    api.delete_bucket(bucket)


@pytest.mark.usefixtures("_home")
def test_the_examples_run(server: servers.InfluxDB, tmp_path: Path) -> None:
    """One after the other, each line by itself, without an error or a warning."""
    blocks = re.findall(r"```sh\n(.*?)```", TEXT.replace("\\\n", ""), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    settings = environment(tmp_path, server.environment())
    settings["PATH"] = f"{PROGRAM.parent}:{settings['PATH']}"

    assert lines
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, env=settings, cwd=tmp_path, check=False
        )
        told = done.stderr.decode()
        assert (0, "") == (
            done.returncode,
            re.sub("^(Copied|Exported|Verified|Imported): .*\n", "", told, flags=re.MULTILINE),
        ), line
        assert done.stdout or re.search("copy|create|--yes|--output|>|port|--folder", line), line
    written = {path.name for path in tmp_path.iterdir()} - {".config", ".cache"}  # those of matplotlib
    assert {"october", *(f"october.{one}" for one in ("parquet", "arrows", "lp", "svg"))} == written


def test_the_reference_is_the_help_of_each_command(started: Started, tmp_path: Path) -> None:
    """`python -m tools.command_line` writes it."""
    told = command_line.reference(lambda arguments: started.run(arguments, tmp_path, {}).stdout.decode())

    assert TEXT.partition(command_line.HEADING)[1:] == (
        command_line.HEADING,
        told.removeprefix(command_line.HEADING),
    )


def test_the_table_of_codes_is_whole() -> None:
    """It has the codes that `--help` has, once each."""
    told = re.search(r"Exit codes: (.*?)```", " ".join(TEXT.split()))
    assert told
    codes = re.findall(r"(?:^|, )(\d+) ", told[1])

    assert codes == re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)
