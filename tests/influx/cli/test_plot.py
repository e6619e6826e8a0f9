"""`plot` and `watch`: lines in a terminal or a picture, and points as they come."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.influx.cli.conftest import PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store
    from tools import servers

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SPAN = ("--start", "2026-01-01", "--stop", "2026-01-02")
HOUR = 3_600_000_000_000
PNG = b"\x89PNG\r\n\x1a\n"


def fill(store: Store) -> None:
    """Write two series of a field that goes up and down, one of text, and one with an odd name."""
    store.write(
        *(
            f"m,k={k} v={(n - 12) ** 2 + number} {T0 + n * HOUR}"
            for n in range(24)
            for number, k in enumerate("ab")
        ),
        *(f'm,k=a t="x",_$x^=1 {T0 + n * HOUR}' for n in range(2)),
    )


def test_lines_are_drawn_as_text(cli: Cli, own_store: Store) -> None:
    """Without a terminal, in 80 columns and without colours; a line for each series."""
    fill(own_store)
    text = cli("plot", own_store.name, "m", "v", *SPAN).stdout.decode()

    assert "v k=a" in text
    assert "v k=b" in text
    assert "\x1b" not in text
    assert 80 >= max(map(len, text.splitlines()))
    assert any("\u2801" <= letter <= "\u28ff" for letter in text)
    assert text.startswith("m\n")


def test_a_picture_is_written_by_its_extension(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """PNG or SVG, with names that matplotlib would take for formulas or leave out."""
    fill(own_store)
    cli("plot", own_store.name, "m", "v", "_$x^", *SPAN, "--raw", "-o", "lines.png")
    cli("plot", own_store.name, "m", "v", "_$x^", *SPAN, "-o", "lines.svg")

    assert (tmp_path / "lines.png").read_bytes().startswith(PNG)
    assert ET.parse(tmp_path / "lines.svg").getroot().tag.endswith("svg")
    said = cli("plot", own_store.name, "m", *SPAN, "-o", "lines.pdf", code=2).stderr.decode()
    assert "`output` must end with .png or .svg" in said


def test_what_has_no_numbers_is_not_drawn(cli: Cli, own_store: Store) -> None:
    """Text, and a range without points, are errors that say so."""
    fill(own_store)
    said = cli("plot", own_store.name, "m", "t", *SPAN, "--raw", code=6).stderr.decode()

    assert "field 't' has no numbers" in said
    assert "no numbers in this range" in said
    cli("plot", own_store.name, "m", "v", "--start", "2020-01-01", "--stop", "2020-01-02", code=6)


def watching(
    server: servers.InfluxDB, home: Path, *arguments: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Give a process that watches."""
    return subprocess.Popen(
        [PROGRAM, "watch", *arguments, "--every", "0.1"],
        env=environment(home, server.environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """Give the lines that it writes."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip("\n")


def test_new_points_are_shown_as_they_come(
    server: servers.InfluxDB, own_store: Store, tmp_path: Path
) -> None:
    """Each once, also one that comes late within the bound, and one that is written again; Ctrl-C ends it."""
    now = time.time_ns()
    own_store.write(f"m,k=a v=0 {now - 10_000_000_000}", f"m v=0 {T0}")
    with watching(server, tmp_path, own_store.name, "m") as process:
        lines = lines_of(process)
        assert '"k","time","v"' == next(lines)
        own_store.write(f"m,k=a v=1 {now + 1_000_000_000}")
        assert next(lines).endswith(",1")
        own_store.write(f"m,k=b v=2 {now - 20_000_000_000}", f"m,k=b v=3 {T0}")
        assert next(lines).startswith('"b",')
        own_store.write(f"m,k=b v=4 {now - 20_000_000_000}")
        assert next(lines).endswith(",4")
        own_store.write(f"m,k=a v=5 {now + HOUR}", f"m v=6 {now + 2 * HOUR}")
        assert next(lines).endswith(",5")
        assert next(lines).endswith(",6")
        process.send_signal(signal.SIGINT)
        assert [] == list(lines)
        assert (0, "") == (process.wait(), process.stderr.read() if process.stderr else "")


def test_rows_may_be_json(server: servers.InfluxDB, own_store: Store, tmp_path: Path) -> None:
    """An object a line; only the fields and series that were asked for."""
    own_store.write(f"m,k=a v=0,w=0i {T0}", f"m,k=b v=0 {T0}")
    with watching(server, tmp_path, own_store.name, "m", "w", "--tag", "k=a", "--format", "jsonl") as process:
        while not select.select([process.stdout], [], [], 0.1)[0]:  # as nothing tells when it begins
            own_store.write(f"m,k=a v=1,w=5i {time.time_ns()}", f"m,k=b w=7i {time.time_ns()}")
        row = json.loads(next(lines_of(process)))

        assert "a" == row["k"]
        assert ["k", "time", "w"] == list(row)
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--start", "2026-01-01", "--tz", "Mars/Base"), "`tz`"), (("--start", "-99999y"), "`start`")],
)
def test_a_time_that_is_none_is_told(cli: Cli, store: Store, options: tuple[str, ...], told: str) -> None:
    """As the commands that read do."""
    assert told in cli("plot", store.name, "m", "v", *options, code=2).stderr.decode()


def test_a_range_may_count_back_months(cli: Cli, own_store: Store) -> None:
    """A start of "-1y2mo" is one that all commands take."""
    own_store.write(f"m v=1 {time.time_ns() - 300 * 24 * HOUR}")

    assert b"v" in cli("plot", own_store.name, "m", "v", "--start", "-1y2mo", "--raw").stdout


@pytest.mark.parametrize("option", ["--late", "--every"])
@pytest.mark.parametrize("seconds", ["inf", "1e15"])
def test_seconds_beyond_any_use_are_refused(cli: Cli, store: Store, option: str, seconds: str) -> None:
    """They are wrong usage, before the server is asked."""
    done = cli("watch", store.name, "m", option, seconds, code=2)

    assert option in done.stderr.decode()
