"""`db-influx read` and `consumption`: every type, in every format, as it is stored."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

if TYPE_CHECKING:
    from pathlib import Path

    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000_000
RANGE = ("--start", "2026-01-01", "--stop", "2026-01-02")
LINES = (
    f'types,site=a b=true,f=0.1,n=9007199254740993i,s="x\\"y\nz,",u=18446744073709551615u {T0 + 123_456_789}',
    f'types,site=b b=false,f=-1e300,n=-9223372036854775808i,s="" {T0 + SECOND}',
)
ROWS: list[dict[str, Any]] = [
    {
        "site": "a",
        "time": T0 + 123_456_789,
        "b": True,
        "f": 0.1,
        "n": 2**53 + 1,
        "s": 'x"y\nz,',
        "u": 2**64 - 1,
    },
    {"site": "b", "time": T0 + SECOND, "b": False, "f": -1e300, "n": -(2**63), "s": "", "u": None},
]


@pytest.fixture(scope="module", autouse=True)
def _written(store: Store) -> None:
    store.write(*LINES)
    store.write(*(f"meter kwh={100 + hour} {T0 + hour * 3600 * SECOND}" for hour in range(49)))
    store.write(*(f"many v={number}i {T0 + number}" for number in range(150)))


def rows(table: Any) -> list[dict[str, Any]]:
    """Give the rows of a pyarrow Table, with times as nanoseconds."""
    place = table.column_names.index("time")
    return table.set_column(place, "time", table["time"].cast(pa.int64())).to_pylist()  # type: ignore[no-any-return]


def test_csv_holds_every_type(cli: Cli, store: Store) -> None:
    """Numbers are as long as they need be, text is quoted, an empty text is not a missing one."""
    done = cli("read", store.name, "types", *RANGE)

    expected = (
        '"site","time","b","f","n","s","u"\n'
        '"a","2026-01-01T00:00:00.123456789Z",true,0.1,9007199254740993,"x""y\nz,",18446744073709551615\n'
        '"b","2026-01-01T00:00:01.000000000Z",false,-1e+300,-9223372036854775808,"",\n'
    )
    assert expected == done.stdout.decode()
    assert b"" == done.stderr


def test_json_lines_hold_every_type(cli: Cli, store: Store) -> None:
    """An object for each point, with its nulls."""
    done = cli("read", store.name, "types", *RANGE, "--format", "jsonl")

    times = ["2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:01.000000000Z"]
    expected = [{**row, "time": time} for row, time in zip(ROWS, times, strict=True)]
    assert expected == list(map(json.loads, done.stdout.decode().split("\n")[:-1]))


def test_parquet_holds_every_type(cli: Cli, store: Store, tmp_path: Path) -> None:
    """On stdout, through a pipe, and in a file alike; polars reads the same."""
    done = cli("read", store.name, "types", *RANGE, "--format", "parquet")
    cli("read", store.name, "types", *RANGE, "--output", "a.parquet")

    table = parquet.read_table(tmp_path / "a.parquet")
    assert ROWS == rows(table) == rows(parquet.read_table(io.BytesIO(done.stdout)))
    assert ["double", "int64", "uint64"] == [str(table.schema.field(name).type) for name in "fnu"]
    assert pl.Datetime("ns", "UTC") == pl.read_parquet(done.stdout).schema["time"]


def test_arrow_holds_every_type(cli: Cli, store: Store, tmp_path: Path) -> None:
    """On stdout it is a stream, in a file the format with random access."""
    done = cli("read", store.name, "types", *RANGE, "--format", "arrow")
    cli("read", store.name, "types", *RANGE, "--output", "a.arrow")

    assert ROWS == rows(pa.ipc.open_stream(done.stdout).read_all())
    assert ROWS == rows(pa.ipc.open_file(tmp_path / "a.arrow").read_all())
    assert 2 == len(pl.read_ipc(tmp_path / "a.arrow"))


def test_line_protocol_can_be_written_again(cli: Cli, store: Store, own_store: Store) -> None:
    """Another bucket then has the same points, with all of their tags."""
    done = cli("read", store.name, "types", *RANGE, "--tag", "site=a", "--format", "line")
    own_store.write(done.stdout.decode().removesuffix("\n"))

    assert [one for one in store.points("types") if one.tags == {"site": "a"}] == own_store.points()


def test_times_are_in_the_zone_that_was_asked_for(cli: Cli, store: Store) -> None:
    """And so are times of the range that have no offset."""
    local = ("--start", "2026-01-01T05:30", "--stop", "2026-01-01T05:30:01", "--tz", "Asia/Kolkata")
    done = cli("read", store.name, "types", "f", *local)

    assert '"time","f"\n"2026-01-01T05:30:00.123456789+05:30",0.1\n' == done.stdout.decode()


def test_windows_have_a_column_for_each_function(cli: Cli, store: Store) -> None:
    """The 24 readings of a day, from 100 to 123, have the mean 111.5."""
    functions = ("--interval", "1d", "--agg-func", "mean", "--agg-func", "max", "--label", "start")
    done = cli("read", store.name, "meter", "kwh", *RANGE, *functions)

    assert '"time","kwh_mean","kwh_max"\n"2026-01-01T00:00:00.000000000Z",111.5,123\n' == done.stdout.decode()


def test_consumption_is_the_difference_of_totals(cli: Cli, store: Store) -> None:
    """An hour of this meter is 1; the total at midnight is what a day counts from."""
    options = ("--start", "2026-01-01", "--stop", "2026-01-03", "--timestep", "1d", "--quality")
    done = cli("consumption", store.name, "meter", "kwh", *options, "--format", "jsonl")

    assert [(24.0, "ok"), (24.0, "ok")] == [
        (row["kwh"], row["kwh_quality"]) for row in map(json.loads, done.stdout.splitlines())
    ]


def test_tags_choose_series(cli: Cli, store: Store) -> None:
    """Several values of a key are alternatives."""
    fields = ("read", store.name, "types", "f", *RANGE)
    one = cli(*fields, "--tag", "site=b").stdout
    both = cli(*fields, "--tag", "site=b", "--tag", "site=a").stdout

    assert b'"time","f"\n"2026-01-01T00:00:01.000000000Z",-1e+300\n' == one
    assert 3 == both.count(b"\n")


def test_a_limit_ends_the_rows(cli: Cli, store: Store) -> None:
    """Of any format; without it, a table has a hundred, and a line on stderr says that there are more."""
    limited = cli("read", store.name, "many", *RANGE, "--limit", "3")
    table = cli("read", store.name, "many", *RANGE, "--format", "table")

    assert 4 == limited.stdout.count(b"\n")
    assert b"" == limited.stderr
    assert 102 == table.stdout.count(b"\n")
    assert b"--limit" in table.stderr


def test_nothing_found_has_the_columns(cli: Cli, store: Store, tmp_path: Path) -> None:
    """As a header alone, or a file without rows."""
    empty = ("--start", "2020-01-01", "--stop", "2020-01-02")
    done = cli("read", store.name, "types", *empty)
    cli("read", store.name, "types", *empty, "--output", "a.parquet")

    assert b'"time","b","f","n","s","u"\n' == done.stdout
    assert (0, ["time", "b", "f", "n", "s", "u"]) == (
        (table := parquet.read_table(tmp_path / "a.parquet")).num_rows,
        table.column_names,
    )


def test_a_name_that_does_not_exist_is_told(cli: Cli, store: Store) -> None:
    """As a warning on stderr, or as an error whose code says what kind it is."""
    warned = cli("read", store.name, "types", "nope", *RANGE)
    cli("read", store.name, "types", "nope", *RANGE, "--missing", "raise", code=6)
    cli("read", store.name, "nope", *RANGE, code=6)

    assert warned.stderr.startswith(b"Warning: ")
    assert b"nope" in warned.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--start", "yesterday"),
            "a time such as '2026-03-01' or '2026-03-01T12:30:00Z', a duration before now such as '-30d', or",
        ),
        ((*RANGE, "--tag", "site"), "KEY=VALUE"),
        ((*RANGE, "--agg-func", "max"), "--interval"),
        ((*RANGE, "--output", "a.xlsx"), "--format"),
        (
            (*RANGE, "--interval", "soon"),
            "`interval` must be a Flux duration such as '10m', '1h', '1d' or '1mo', not 'soon'\n",
        ),
        ((*RANGE, "--limit", "0"), "--limit"),
        (("--stop", "2026-01-02"), "--start"),
    ],
)
def test_wrong_usage_has_one_code(cli: Cli, store: Store, arguments: tuple[str, ...], told: str) -> None:
    """Code 2, and the message names what is wrong; nothing is written."""
    done = cli("read", store.name, "types", *arguments, code=2)

    assert told in done.stderr.decode()
    assert b"" == done.stdout


def test_names_are_listed(cli: Cli, store: Store) -> None:
    """Measurements of a bucket; fields and tags of a measurement; values of a tag."""
    assert b'"measurement"\n"many"\n"meter"\n"types"\n' == cli("measurements", store.name).stdout
    found = cli("fields", store.name, "types", "--format", "jsonl").stdout.splitlines()
    expected = [*((name, "field") for name in "bfnsu"), ("site", "tag")]
    assert expected == [tuple(json.loads(line).values()) for line in found]
    assert b'"value"\n"a"\n"b"\n' == cli("fields", store.name, "types", "--values", "site").stdout


@pytest.mark.parametrize("given", [("5", "3"), ("=3",), ("kwh=5", "3")])
def test_a_number_of_no_field_is_refused(cli: Cli, store: Store, given: tuple[str, ...]) -> None:
    """One number is for all fields, and each of several names its own."""
    options = [part for one in given for part in ("--max-rate", one)]
    done = cli("consumption", store.name, "m", "i", *RANGE, "--timestep", "1h", *options, code=2)

    assert "`max_rate`" in done.stderr.decode()
