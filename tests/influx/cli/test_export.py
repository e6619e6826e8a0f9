"""`export` and `import`: whole buckets, any names and types, interrupted and resumed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from db_core.errors import InvalidArgumentError, WriteError
from tests.influx.cli.conftest import PROGRAM, environment
from tests.security.hostile import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from db_influx import InfluxManager
    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store
    from tools import servers

FORMATS = ("parquet", "line", "csv", "jsonl", "arrow")
T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
DAY = 86_400_000_000_000
VALUES = {
    "f": [0.1, -1.5e-300, 1e22, 5e-324],
    "i": [2**63 - 1, -(2**63), 2**53 + 1, 0],
    "u": [2**64 - 1, 0, 2**53 + 1, 1],
    "b": [True, False, True, False],
    "t": ["", "a\r\nb", 'q"uo\\te', "é😀\x00,\t#"],
}
LINES = {
    "f": repr,
    "i": lambda value: f"{value}i",
    "u": lambda value: f"{value}u",
    "b": str,
    "t": lambda value: '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"',
}


def fill(store: Store) -> None:
    """Write every type, sparse, by several tags and months, with nanoseconds."""
    lines = []
    numbers = count()
    for tags in ("", ",k=a", ",k=b\\ c,z=é"):
        for month in range(3):
            for place in range(4):
                kept = [name for number, name in enumerate(VALUES) if (number + place + month) % 3]
                cells = ",".join(f"{name}={LINES[name](VALUES[name][place])}" for name in kept)
                lines.append(f"m{tags} {cells} {T0 + month * 31 * DAY + next(numbers)}")
    lines += [f"other,k=x v={n / 3!r} {T0 + n * DAY + 7}" for n in range(70)]
    store.write(*lines)


def content(folder: Path) -> dict[str, Any]:
    """Give the manifest, whose checksums stand for the files, without the bucket that it is of."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.pop("bucket_id")
    manifest["selection"].pop("bucket")
    return manifest


@pytest.mark.parametrize("kind", FORMATS)
def test_every_type_comes_back_from_files_of_every_format(
    cli: Cli, own_store: Store, make_store: Callable[[str], Store], tmp_path: Path, kind: str
) -> None:
    """Export, import, export: the points and the files are the same."""
    fill(own_store)
    target = make_store("import")
    cli("export", own_store.name, "one", "--format", kind)
    cli("import", "one", target.name)
    cli("import", "one", target.name)
    cli("export", target.name, "two", "--format", kind)

    assert own_store.points() == target.points()
    assert content(tmp_path / "one") == content(tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert 3 + 3 + 1 == len(files)
    assert any(name.startswith("m-2026-01.") for name in files)


def test_a_manifest_counts_rows_and_points(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """Of each file, with its checksum, the types of fields, and the tags."""
    own_store.write(f"m,k=a v=1,n=1i {T0}", f"m,k=b v=2 {T0}", f"m,k=a v=3 {T0 + 40 * DAY}")
    cli("export", own_store.name, "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())

    assert {"tags": ["k"], "fields": {"n": "integer", "v": "float"}}.items() <= manifest["measurements"][
        "m"
    ].items()
    assert [(2, {"n": 1, "v": 2}), (1, {"v": 1})] == [
        (part["rows"], part["points"]) for part in manifest["parts"]
    ]
    assert ["m-2026-01.parquet", "m-2026-02.parquet"] == [part["file"] for part in manifest["parts"]]
    assert ("2026-01-01T00:00:00.000000000Z", "2026-02-10T00:00:00.000000001Z") == (
        manifest["start"],
        manifest["stop"],
    )
    table = pq.read_table(tmp_path / "out" / "m-2026-01.parquet")
    assert ["k", "time", "n", "v"] == table.column_names
    assert manifest["is_complete"]


def test_any_name_and_text_comes_back(
    cli: Cli, manager: InfluxManager, own_store: Store, make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    """Measurements, fields, tags and texts of the list of hostile texts, as far as they can be stored."""
    kinds = ("measurement", "field", "key", "tag", "text")
    stored = dict.fromkeys(kinds, 0)
    index = pd.DatetimeIndex([pd.Timestamp(T0, tz="UTC")])
    for text in TEXTS.values():
        for kind in kinds:
            columns = {text if kind == "field" else "v": [1.5], "s": [text if kind == "text" else "s"]}
            name = text if kind == "measurement" else f"of {kind}"
            tags = {text if kind == "key" else "k": text if kind == "tag" else "x"}
            try:
                manager.synchronous_write(own_store.name, pd.DataFrame(columns, index), name, tags)
            except (InvalidArgumentError, WriteError, UnicodeEncodeError):  # the last is pandas'
                continue
            stored[kind] += 1
    assert min(stored.values()) > 20, stored

    for kind in ("parquet", "line"):
        target = make_store("hostile")
        cli("export", own_store.name, f"{kind} one", "--format", kind)
        cli("import", f"{kind} one", target.name)
        cli("export", target.name, f"{kind} two", "--format", kind)

        assert own_store.points() == target.points()
        assert content(tmp_path / f"{kind} one") == content(tmp_path / f"{kind} two")


def test_what_is_not_exact_is_refused_before_anything_is_written(
    cli: Cli, daily: Store, own_store: Store, tmp_path: Path
) -> None:
    """A field of two types, and names with carriage returns; `--skip` leaves these out and says so."""
    daily.write(f"mixed n=1,v=1 {T0}", f"a\rb v=1 {T0}", f"plain v=1 {T0}")
    daily.write(f"mixed n=1i {T0 + DAY}")
    said = cli("export", daily.name, "out", code=9).stderr.decode()

    assert "field 'n' of measurement 'mixed': it was written as float and integer" in said
    assert "measurement 'a\\rb': its name has a carriage return" in said
    assert not (tmp_path / "out").exists()

    said = cli("export", daily.name, "out", "--skip").stderr.decode()
    assert "Left out: field 'n' of measurement 'mixed'" in said
    assert ["mixed-2026-01.parquet", "plain-2026-01.parquet"] == sorted(
        path.name for path in (tmp_path / "out").glob("*.parquet")
    )
    cli("import", "out", own_store.name)
    assert ["mixed", "plain"] == [point.measurement for point in own_store.points()]


def test_an_export_of_a_part_has_no_other_points(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """By measurement, tag and range."""
    fill(own_store)
    choice = ("--measurement", "other", "--tag", "k=x", "--start", "2026-01-02", "--stop", "2026-01-05")
    cli("export", own_store.name, "out", *choice)

    assert ["manifest.json", "other-2026-01.parquet"] == sorted(
        path.name for path in (tmp_path / "out").iterdir()
    )
    assert 3 == pq.read_table(tmp_path / "out" / "other-2026-01.parquet").num_rows
    said = cli("export", own_store.name, "none", "--measurement", "nobody", code=6).stderr.decode()
    assert "has no measurement 'nobody'; it has 'm', 'other'" in said


def test_names_that_differ_in_case_alone_have_different_files(
    cli: Cli, own_store: Store, tmp_path: Path
) -> None:
    """On a disk that does not tell upper from lower case too; other names stay plain."""
    own_store.write(f"load v=1 {T0}", f"Load v=2 {T0}", f"LOAD v=3 {T0}", f"loads v=4 {T0}")

    cli("export", own_store.name, "one")

    names = [path.name for path in (tmp_path / "one").glob("*.parquet")]
    assert 4 == len({name.lower() for name in names})
    assert "loads-2026-01.parquet" in names


def test_a_folder_is_not_overwritten(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """Neither an export, without `--resume` and its arguments, nor files of others."""
    fill(own_store)
    cli("export", own_store.name, "out", "--measurement", "other")
    before = content(tmp_path / "out")
    said = cli("check", "--folder", "out", settings={}).stderr.decode()

    assert "Verified: 70 rows in 3 files, in out\n" == said
    assert "add --resume" in cli("export", own_store.name, "out", code=2).stderr.decode()
    said = cli("export", own_store.name, "out", "--resume", "--start", "2026-02-01", code=2).stderr.decode()
    assert "--measurement was ['other'], and is not given; --start was not given, and is '2026-02-01'" in said
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x").touch()
    assert "no empty folder" in cli("export", own_store.name, "files", code=2).stderr.decode()
    cli("export", own_store.name, "out", "--measurement", "other", "--resume")
    assert before == content(tmp_path / "out")


def test_points_that_come_later_are_not_in_a_resumed_export(
    cli: Cli, own_store: Store, tmp_path: Path
) -> None:
    """The range is that of the beginning; a file that is gone is written again."""
    fill(own_store)
    cli("export", own_store.name, "out")
    before = content(tmp_path / "out")
    own_store.write(f"other,k=x v=5 {T0 + 300 * DAY}", f"later v=1 {T0}")
    (tmp_path / "out" / "other-2026-02.parquet").unlink()
    cli("export", own_store.name, "out", "--resume")

    assert before == content(tmp_path / "out")
    assert (tmp_path / "out" / "other-2026-02.parquet").exists()


def test_an_export_that_is_killed_goes_on(
    cli: Cli, server: servers.InfluxDB, own_store: Store, tmp_path: Path
) -> None:
    """At ten random moments, also before anything is written; in the end the files are the same."""
    lines = [f'm{n % 3},k={n % 3} v={n / 7!r},t="{n}" {T0 + n * 3_600_000_000_000}' for n in range(2_000)]
    own_store.write(*lines)
    cli("export", own_store.name, "whole")
    expected = content(tmp_path / "whole")
    kills = 0
    for seed in range(10):
        process = subprocess.Popen(
            [PROGRAM, "export", own_store.name, "killed", "--resume"],
            env=environment(tmp_path, server.environment()),
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        wanted = random.Random(seed).randrange(0, 4) + len(list((tmp_path / "killed").glob("*.parquet")))
        while process.poll() is None:
            if len(list((tmp_path / "killed").glob("*.parquet"))) >= wanted:
                process.send_signal(signal.SIGKILL)
                break
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.001)  # leaves it a processor
        kills += process.wait() != 0
    assert kills >= 3
    cli("export", own_store.name, "killed", "--resume")

    assert expected == content(tmp_path / "killed")
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == sorted(
        path.name for path in (tmp_path / "killed").iterdir()
    )


@pytest.mark.parametrize("command", [("check", "--folder", "out"), ("export", "{}", "out", "--resume")])
def test_a_manifest_of_other_content_is_told(
    cli: Cli, own_store: Store, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """What is JSON, but has a value of another type or lacks one, is damaged as what is no JSON."""
    own_store.write(f"m v=1 {T0}")
    cli("export", own_store.name, "out")
    manifest = tmp_path / "out" / "manifest.json"
    text = manifest.read_text()
    places: list[tuple[Any, ...]] = [("parts",), ("parts", 0), ("measurements", "m"), ("selection",)]
    places += [("parts", 0, key) for key in ("file", "bytes", "points")] + [("measurements", "m", "tags")]
    for place in places:
        inner = content = json.loads(text)
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = 1.5
        manifest.write_text(json.dumps(content))
        done = cli(*(one.format(own_store.name) for one in command), code=8)

        assert "manifest.json is damaged" in done.stderr.decode()


@pytest.mark.parametrize("fault", ["changed", "missing", "shorter", "outside", "no manifest", "not ended"])
def test_a_damaged_folder_is_not_imported(
    cli: Cli, own_store: Store, make_store: Callable[[str], Store], tmp_path: Path, fault: str
) -> None:
    """It is refused before anything is written."""
    own_store.write(f"m v=1 {T0}")
    target = make_store("damaged")
    cli("export", own_store.name, "out", "--format", "csv")
    file, manifest = tmp_path / "out" / "m-2026-01.csv", tmp_path / "out" / "manifest.json"
    code, match = 8, fault
    if fault == "changed":
        file.write_text(file.read_text().replace("1", "2"))
    elif fault == "missing":
        file.unlink()
    elif fault == "shorter":
        file.write_text("")
        match = "0 bytes instead of"
    elif fault == "outside":
        manifest.write_text(manifest.read_text().replace("m-2026-01.csv", "../m-2026-01.csv"))
    elif fault == "no manifest":
        manifest.unlink()
        code, match = 11, "no manifest.json"
    else:
        manifest.write_text(manifest.read_text().replace('"is_complete": true', '"is_complete": false'))
        match = "did not end"

    assert match in cli("import", "out", target.name, code=code).stderr.decode()
    assert [] == target.points()


def test_an_import_says_which_points_the_bucket_lacks(cli: Cli, official: Any, own_store: Store) -> None:
    """As where a bucket keeps points for an hour only."""
    own_store.write(f"m v=1 {T0}")
    cli("export", own_store.name, "out")
    cli("buckets", "create", "keeps-an-hour", "--retention", "1h")
    try:
        cli("import", "out", "keeps-an-hour", code=10)
    finally:
        official.buckets_api().delete_bucket(official.buckets_api().find_bucket_by_name("keeps-an-hour"))


def test_a_single_file_of_others_is_imported(cli: Cli, own_store: Store, tmp_path: Path) -> None:
    """CSV with named columns and numbers for times, and line protocol with texts over several lines."""
    (tmp_path / "of others.csv").write_text("at,room,watts,n\n1767225600,a,1.5,3\n1767225601,b,2,4\n")
    arguments = ("--measurement", "load", "--time-column", "at", "--tag-column", "room", "--precision", "s")
    cli("import", "of others.csv", own_store.name, *arguments, "--tag", "site=x", "--type", "n=unsigned")
    (tmp_path / "text.lp").write_text(
        f'# a comment "\n\nlines,k=a" t="a\nb,c=\\"d" 1767225602\nlines v=1 {T0 // 10**9}\n'
    )
    cli("import", "text.lp", own_store.name, "--precision", "s")

    rows = [(one.measurement, one.tags, one.field, one.kind, one.value) for one in own_store.points()]
    assert ("load", {"room": "a", "site": "x"}, "n", "unsignedLong", 3) in rows
    assert ("load", {"room": "b", "site": "x"}, "watts", "double", 2.0) in rows
    assert ("lines", {"k": 'a"'}, "t", "string", 'a\nb,c="d') in rows
    assert ("lines", {}, "v", "double", 1.0) in rows
    assert 6 == len(rows)
    assert "--measurement" in cli("import", "of others.csv", own_store.name, code=2).stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("text.lp", "--tag", "site=x"), "`tag`"),
        (("text.lp", "--measurement", "m"), "`measurement`"),
        (("text.lp", "--tag-column", "k"), "`tag_column`"),
        (("text.lp", "--type", "v=integer"), "`type`"),
        (("text.lp", "--duplicates", "last"), "`duplicates`"),
        (("rows.csv", "--measurement", "m", "--tag", "a=1", "--tag", "a=2"), "'1' and '2'"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(
    cli: Cli, own_store: Store, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    """So no points are written without the tags that were asked for."""
    (tmp_path / "text.lp").write_text(f"m v=1 {T0}\n")
    (tmp_path / "rows.csv").write_text("time,v\n2026-01-01T00:00:00Z,1\n")
    source, *options = arguments

    assert told in cli("import", source, own_store.name, *options, code=2).stderr.decode()
    assert [] == own_store.points()
