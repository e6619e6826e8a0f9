"""What people see: a table as wide as the terminal, progress, and neither where no terminal is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.influx.cli.terminal import at_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.influx.cli.conftest import Cli
    from tools import servers

TWO = 'import "array" array.from(rows: [{x: 1, y: "a", z: true}, {x: 22, y: "b", z: false}])'
LARGE = 'import "internal/gen" gen.tables(n: 100000, tags: [{name: "a", cardinality: 1}])'


def test_a_table_is_for_people(server: servers.InfluxDB, tmp_path: Path) -> None:
    """Numbers are at the right edge of their column; there is no progress beside it."""
    shown, code = at_terminal(tmp_path, server, "query", TWO, terminal="dumb")

    expected = [
        "result    table    x   y   z",
        "─" * 32,
        "_result       0    1   a   true",
        "_result       0   22   b   false",
    ]
    assert 0 == code
    assert expected == [line.rstrip() for line in shown.splitlines()]


FLOATS = {
    "0.1 + 0.2": "0.3",
    "230.49999999999997": "230.5",
    "2.0": "2.0",
    "-0.00000012345678901234": "-1.23456789012e-07",
    "1234567890123.4567": "1234567890123.4568",
    "1.0 / 0.0": "inf",
}


def test_a_table_shows_twelve_digits_of_floats(cli: Cli) -> None:
    """As many as people read; CSV has them exactly."""
    rows = ", ".join(f"{{v: {float_}}}" for float_ in FLOATS)
    flux = f'import "array" array.from(rows: [{rows}]) |> keep(columns: ["v"])'
    shown = cli("query", flux, "--format", "table").stdout.decode().splitlines()

    assert list(FLOATS.values()) == [line.split()[-1] for line in shown[2:]]
    exact = cli("query", flux, "--format", "csv").stdout.decode().splitlines()
    assert [0.1 + 0.2, 230.49999999999997] == [float(line.split(",")[-1]) for line in exact[1:3]]


def test_progress_shows_at_a_terminal_alone(cli: Cli, server: servers.InfluxDB, tmp_path: Path) -> None:
    """On stderr, while the data go elsewhere; where stderr is no terminal, it is empty."""
    arguments = ("query", LARGE, "--stream", "--output", "a.csv")
    shown, code = at_terminal(tmp_path, server, *arguments)
    done = cli(*arguments)

    assert 0 == code
    assert "Reading" in shown
    assert "100,000 rows" in shown
    assert (b"", b"") == (done.stdout, done.stderr)
    assert 100_001 == (tmp_path / "a.csv").read_text().count("\n")


def test_progress_shows_beside_a_pipe(server: servers.InfluxDB, tmp_path: Path) -> None:
    """The pipe has the data and nothing else."""
    with (tmp_path / "out").open("wb") as out:
        shown, code = at_terminal(tmp_path, server, "query", LARGE, "--stream", stdout=out.fileno())

    assert 0 == code
    assert "Reading" in shown
    lines = (tmp_path / "out").read_text().splitlines()
    assert '"result","table","a","_time","_value"' == lines[0]
    assert 100_001 == len(lines)
