"""`db-influx query`: Flux and InfluxQL, from an argument, a file or stdin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
TWO = 'import "array" array.from(rows: [{x: 1, y: "a"}, {x: 2, y: "b"}])'
CSV = b'"result","table","x","y"\n"_result",0,1,"a"\n"_result",0,2,"b"\n'


@pytest.fixture(scope="module", autouse=True)
def _written(store: Store) -> None:
    store.write(f"m,k=a v=1.5 {T0}", f'm,k=b v=2.5,text="x" {T0}')


@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_flux_is_an_argument_a_file_or_stdin(cli: Cli, tmp_path: Path, stream: tuple[str, ...]) -> None:
    """All three are the same, whether the answer is joined in memory or written as it arrives."""
    (tmp_path / "two.flux").write_text(TWO)

    assert CSV == cli("query", TWO, *stream).stdout
    assert CSV == cli("query", "--file", "two.flux", *stream).stdout
    assert CSV == cli("query", "--file", "-", *stream, stdin=TWO).stdout


def test_parameters_are_values(cli: Cli) -> None:
    """A value that is JSON has its type, and any other is text."""
    asked = 'import "array" array.from(rows: [{n: params.n, t: params.t, d: params.d}])'
    given = ("--param", "n=7", "--param", 't=") |> drop()', "--param", 'd="7"')
    done = cli("query", asked, *given, "--format", "jsonl")

    [row] = map(json.loads, done.stdout.splitlines())
    assert (7, '") |> drop()', "7") == (row["n"], row["t"], row["d"])


def test_influxql_reads_a_bucket(cli: Cli, store: Store) -> None:
    """With a parameter of its own."""
    asked = "SELECT v FROM m WHERE k = $wanted"
    given = ("--influxql", "--bucket", store.name, "--param", "wanted=b", "--format", "jsonl")
    done = cli("query", asked, *given)
    streamed = cli("query", asked, *given, "--stream")

    [row] = map(json.loads, done.stdout.splitlines())
    assert ("2026-01-01T00:00:00.000000000Z", 2.5) == (row["time"], row["v"])
    assert done.stdout == streamed.stdout


def test_tables_of_different_columns_are_joined_unless_streamed(cli: Cli, tmp_path: Path) -> None:
    """As a stream, JSON Lines has them one after the other, and no file is left of another format."""
    asked = TWO.replace("array.from", 'array.from(rows: [{z: true}]) |> yield(name: "first")\narray.from')
    asked += ' |> yield(name: "second")'
    joined = cli("query", asked, "--format", "jsonl")
    streamed = cli("query", asked, "--format", "jsonl", "--stream")
    refused = cli("query", asked, "--output", "a.parquet", "--stream", code=9)

    # The server sends the results in any order.
    expected = [(None, None, True), (1, "a", None), (2, "b", None)]
    found = [(row["x"], row["y"], row["z"]) for row in map(json.loads, joined.stdout.splitlines())]
    assert expected == sorted(found, key=lambda row: row[0] or 0)
    names = [sorted(json.loads(line).keys() - {"result", "table"}) for line in streamed.stdout.splitlines()]
    assert [["x", "y"], ["x", "y"], ["z"]] == sorted(names)
    assert b"--stream" in refused.stderr
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_nothing_found_is_a_whole_file(
    cli: Cli, store: Store, tmp_path: Path, stream: tuple[str, ...]
) -> None:
    """It has neither rows nor columns, as the server names none; as text it is empty."""
    asked = f'from(bucket: "{store.name}") |> range(start: 2020-01-01T00:00:00Z, stop: 2020-01-02T00:00:00Z)'
    cli("query", asked, *stream, "--output", "a.parquet")

    assert (0, 0) == pl.read_parquet(tmp_path / "a.parquet").shape
    for text in ("csv", "jsonl", "table"):
        assert b"" == cli("query", asked, *stream, "--format", text).stdout


def test_a_query_that_the_server_refuses_has_its_message(cli: Cli, tmp_path: Path) -> None:
    """With the code of refusals; of a file there is nothing."""
    done = cli("query", "nonsense", "--output", "a.csv", code=7)

    assert b"undefined identifier nonsense" in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_json_can_not_hold_what_is_no_number(cli: Cli) -> None:
    """NaN is an error that names the column; CSV has it."""
    asked = 'import "array" array.from(rows: [{x: 0.0 / 0.0}])'

    assert b"column 'x'" in cli("query", asked, "--format", "jsonl", code=9).stderr
    assert b'"_result",0,nan\n' in cli("query", asked).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (TWO, "--file", "-"),
        (TWO, "--bucket", "b"),
        (TWO, "--param", "x"),
        (TWO, "--format", "line"),
        (TWO, "--format", "xlsx"),
    ],
)
def test_wrong_usage_has_one_code(cli: Cli, arguments: tuple[str, ...]) -> None:
    """Code 2, and nothing is written."""
    done = cli("query", *arguments, code=2)

    assert b"" == done.stdout
    assert b"Error: " in done.stderr
