"""`db-influx copy` and `delete`, and what a deletion asks at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.influx.cli.terminal import at_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.influx.cli.conftest import Cli
    from tests.influx.conftest import Store
    from tools import servers

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000_000_000
RANGE = ("--start", "2026-01-01", "--stop", "2026-01-02")


@pytest.fixture
def filled(own_store: Store) -> Store:
    """Give a bucket with 24 points of two series, and one of another measurement."""
    own_store.write(*(f"m,k={'ab'[hour % 2]} v={hour}i {T0 + hour * HOUR}" for hour in range(24)))
    own_store.write(f'other text="x" {T0}')
    return own_store


def test_a_copy_has_the_same_points(cli: Cli, filled: Store, store: Store) -> None:
    """Without a range, those of all time; stderr names the measurements."""
    done = cli("copy", filled.name, store.name)

    assert filled.points() == store.points()
    assert (b"", b"Copied: m, other\n") == (done.stdout, done.stderr)


def test_a_part_goes_to_another_server(
    cli: Cli,
    filled: Store,
    make_store: Callable[[str], Store],
    server: servers.InfluxDB,
    profiles: Callable[[str], Path],
) -> None:
    """Which a profile names; the part is chosen by time, measurement, field and tag."""
    profiles(f'[far]\nurl = "{server.url}"\norg = "{server.org}"\ntoken = "{server.token}"\n')
    target = make_store("far")
    chosen = ("--start", "2026-01-01T02:00", "--stop", "2026-01-01T05:00", "--tag", "k=a", "--field", "v")
    cli("copy", filled.name, target.name, *chosen, "--measurement", "m", "--to-profile", "far")

    assert [(2, T0 + 2 * HOUR), (4, T0 + 4 * HOUR)] == [(one.value, one.time) for one in target.points()]


def test_a_dry_run_counts_and_deletes_nothing(cli: Cli, filled: Store) -> None:
    """The counts are data: a row for each field."""
    done = cli("delete", filled.name, *RANGE, "--tag", "k=a", "--dry-run")

    assert b'"measurement","field","points"\n"m","v",12\n' == done.stdout
    assert 25 == len(filled.points())


def test_only_what_was_chosen_is_deleted(cli: Cli, filled: Store) -> None:
    """By range, measurement and tag."""
    cli("delete", filled.name, *RANGE, "--measurement", "m", "--tag", "k=a", "--yes")

    left = [(one.measurement, one.tags.get("k")) for one in filled.points()]
    assert [("m", "b")] * 12 + [("other", None)] == sorted(left)


def test_it_needs_yes_where_nobody_can_be_asked(cli: Cli, filled: Store) -> None:
    """Code 2, and all is kept."""
    done = cli("delete", filled.name, *RANGE, code=2)

    assert b"--yes" in done.stderr
    assert 25 == len(filled.points())


def test_at_a_terminal_it_shows_what_it_is_about_and_asks(
    filled: Store, server: servers.InfluxDB, tmp_path: Path
) -> None:
    """No keeps all; yes deletes."""
    arguments = ("delete", filled.name, *RANGE, "--measurement", "m")
    refused, code = at_terminal(tmp_path, server, *arguments, answer="n\n")

    assert "'m' 'v': 24 points" in refused
    assert 1 == code
    assert 25 == len(filled.points())

    _, code = at_terminal(tmp_path, server, *arguments, answer="y\n")

    assert 0 == code
    assert 1 == len(filled.points())


def test_ctrl_c_at_the_question_keeps_all(filled: Store, server: servers.InfluxDB, tmp_path: Path) -> None:
    """The code is that of Ctrl-C elsewhere, and not that of a no."""
    _, code = at_terminal(tmp_path, server, "delete", filled.name, *RANGE, interrupt_at="[y/N]: ")

    assert 130 == code
    assert 25 == len(filled.points())
