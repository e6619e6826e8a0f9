"""How the command line ends: codes, a reader that leaves, Ctrl-C, and no extra."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.influx.cli.conftest import PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.cli.conftest import Cli
    from tools import servers

ENDLESS = 'import "internal/gen" gen.tables(n: 100000000, tags: [{name: "a", cardinality: 1}])'
LARGE = 'import "internal/gen" gen.tables(n: 100000, tags: [{name: "a", cardinality: 1}])'
ANSWER = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"


def settings(url: str, token: str = "wrong-token") -> dict[str, str]:
    """Give the environment that names a server."""
    return {"INFLUXDB_URL": url, "INFLUXDB_ORG": "o", "INFLUXDB_TOKEN": token}


def answer(status: bytes, body: bytes) -> bytes:
    """Give an answer after which the peer hangs up."""
    return ANSWER % (status, len(body), body)


def test_help_imports_nothing_that_weighs() -> None:
    """Neither of the program nor of a command."""
    script = (
        "import sys\n"
        "from db_influx.cli import main\n"
        "sys.argv = ['db-influx', *{arguments}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "heavy = {{'pandas', 'pyarrow', 'numpy', 'rich.console', 'influxdb_client', 'db_influx._manager'}}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    for arguments in (["--help"], ["read", "--help"], ["buckets", "create", "--help"], ["--version"]):
        command = [sys.executable, "-c", script.format(arguments=arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "[]" == done.stdout.splitlines()[-1]


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """In one line, with code 2."""
    venv.create(tmp_path / "bare")
    sources = [Path(__file__).parents[3] / "packages" / name / "src" for name in ("db-core", "db-influx")]
    folders = os.pathsep.join(map(str, sources))
    script = "from db_influx.cli import main; main()"
    command = [tmp_path / "bare" / "bin" / "python", "-c", script]
    done = subprocess.run(command, capture_output=True, env={"PYTHONPATH": folders}, check=False)

    assert 2 == done.returncode
    assert b"db-influx needs its extra: pip install 'db-influx[cli]'\n" == done.stderr


def test_no_command_shows_help(cli: Cli) -> None:
    """With the exit codes."""
    done = cli("--help")

    for line in (b"130 interrupted", b"buckets", b"--install-completion"):
        assert line in b" ".join(done.stdout.split())
    assert b"Usage: " in cli(code=2).stderr + cli(code=2).stdout


def test_a_shell_can_complete_commands_and_options(cli: Cli) -> None:
    """As bash asks, when Tab is pressed."""
    asked = {"_DB_INFLUX_COMPLETE": "complete_bash", "COMP_WORDS": "db-influx me", "COMP_CWORD": "1"}
    assert b"measurements\n" == cli(settings=asked).stdout
    asked = {"_DB_INFLUX_COMPLETE": "complete_bash", "COMP_WORDS": "db-influx read --pro", "COMP_CWORD": "2"}
    assert {b"--profile", b"--protocol"} == set(cli(settings=asked).stdout.split())


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        (answer(b"401 Unauthorized", b'{"code":"unauthorized","message":"no"}'), 5),
        (answer(b"404 Not Found", b'{"code":"not found","message":"no"}'), 6),
        (answer(b"400 Bad Request", b'{"code":"invalid","message":"no"}'), 7),
        (answer(b"200 OK", b"<html>hello</html>"), 8),
        (answer(b"200 OK", b"#datatype,string\r\n#group,false\r\n#default,\r\n,x\r\n,a"), 8),
    ],
)
def test_each_kind_of_error_has_its_code(
    cli: Cli, peer: Callable[..., Any], turn: bytes, code: int, tmp_path: Path
) -> None:
    """One line on stderr, nothing on stdout, and no part of a file."""
    server = peer(*[turn] * 5)
    done = cli("query", "buckets()", "--output", "a.csv", settings=settings(server.url), code=code)

    assert done.stderr.startswith(b"Error: ")
    assert b"Traceback" not in done.stderr
    assert b"" == done.stdout
    assert [] == list(tmp_path.iterdir())


def test_a_server_that_is_not_there_has_a_code(cli: Cli) -> None:
    """And the message has its address."""
    done = cli("check", settings=settings("http://127.0.0.1:9"), code=4)

    assert b"http://127.0.0.1:9" in done.stderr


@pytest.mark.parametrize(
    ("path", "code"), [("nowhere/a.csv", 11), ("folder", 11), ("/proc/a.csv", 11), ("/dev/full", 11)]
)
def test_a_file_that_can_not_be_written_has_a_code(cli: Cli, tmp_path: Path, path: str, code: int) -> None:
    """Nothing is left, and the message names it."""
    (tmp_path / "folder").mkdir()
    done = cli("query", LARGE, "--output", path, "--format", "csv", code=code)

    assert done.stderr.startswith(b"Error: ")
    assert [tmp_path / "folder"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["read", "--help"], ["buckets", "list"], ["query", LARGE]]
)
def test_a_full_disk_under_stdout_has_a_code(
    server: servers.InfluxDB, tmp_path: Path, arguments: list[str]
) -> None:
    """Of help too, which is shown before any command begins."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(tmp_path, server.environment()),
            check=False,
        )

    assert (11, b"Error: [Errno 28] No space left on device\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet", "arrow"])
@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_reader_that_leaves_ends_it_quietly(
    server: servers.InfluxDB, tmp_path: Path, format_: str, unbuffered: dict[str, str]
) -> None:
    """As `head` does: the code is the one that a shell has for it, and stderr is empty."""
    with subprocess.Popen(
        [PROGRAM, "query", LARGE, "--format", format_],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path, server.environment() | unbuffered),
    ) as process:
        assert process.stdout
        assert process.stderr
        assert 1 == len(process.stdout.read(1))
        process.stdout.close()
        told = process.stderr.read()

    assert (141, b"") == (process.returncode, told)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.arrow"])
def test_ctrl_c_ends_it_and_leaves_no_part_of_a_file(
    server: servers.InfluxDB, tmp_path: Path, name: str
) -> None:
    """In the middle of an answer that is being written; the code is 130."""
    kept = tmp_path / name
    kept.write_text("what was there")
    with subprocess.Popen(
        [PROGRAM, "query", ENDLESS, "--stream", "--output", name],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(tmp_path, server.environment()),
        cwd=tmp_path,
    ) as process:
        assert process.stderr
        while not any(part.stat().st_size for part in tmp_path.glob(f".{name}.*.part")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()

    assert (130, b"") == (process.returncode, told)
    assert [kept] == list(tmp_path.iterdir())
    assert "what was there" == kept.read_text()


def test_a_terminal_does_not_obey_what_a_server_or_an_argument_says(
    cli: Cli, peer: Callable[..., Any]
) -> None:
    """Escape sequences are written as escapes, in messages and in tables."""
    server = peer(answer(b"400 Bad Request", json.dumps({"code": "invalid", "message": "\x1b[2J"}).encode()))
    refused = cli("query", "buckets()", settings=settings(server.url), code=7)
    asked = 'import "array" array.from(rows: [{x: "\x1b[2J\\nnext"}])'
    table = cli("query", asked, "--format", "table")

    assert b"Error: \\x1b[2J\n" == refused.stderr
    assert rb"\x1b[2J\nnext" in table.stdout
    assert b"\x1b" not in table.stdout


@pytest.mark.parametrize(
    ("closed", "options", "code"),
    [
        ((0,), ("--token-file", "-"), 3),
        ((1,), (), 141),
        ((1,), ("--output", "a.csv"), 0),
        ((0, 1, 2), ("--output", "a.csv"), 0),
        ((2,), (), 0),
    ],
)
def test_a_process_without_some_stream_works(
    server: servers.InfluxDB, tmp_path: Path, closed: tuple[int, ...], options: tuple[str, ...], code: int
) -> None:
    """A shell closes a stream by `>&-`; what needs stdout ends as where nobody reads it."""
    names = " ".join(f"{number}>&-" for number in closed)
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {names}', PROGRAM, "buckets", "list", *options],
        capture_output=True,
        env=environment(tmp_path, server.environment()),
        cwd=tmp_path,
        check=False,
    )

    assert code == done.returncode
    assert (code == 3) == done.stderr.startswith(b"Error: `token_file`")  # an empty one has no token
    assert b"Traceback" not in done.stderr


def test_an_error_never_goes_to_stdout(server: servers.InfluxDB, tmp_path: Path) -> None:
    """Not even where there is no stderr."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" "$@" 2>&-', PROGRAM, "measurements", "nowhere"],
        stdout=subprocess.PIPE,
        env=environment(tmp_path, server.environment()),
        cwd=tmp_path,
        check=False,
    )

    assert (6, b"") == (done.returncode, done.stdout)
