"""The token of the command line is shown nowhere: not to `ps`, not in a message, whatever fails."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.influx.cli.conftest import PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.cli.conftest import Cli, Started
    from tools import servers

SECRET = "hunter2-hunter2-hunter2"
ECHO = f"Your request was: Authorization: Token {SECRET}".encode()
ENDLESS = 'import "internal/gen" gen.tables(n: 100000000, tags: [{name: "a", cardinality: 1}])'
COMMANDS = (
    ("check",),
    ("read", "b", "m", "v", "--start", "-1d"),
    ("query", "buckets()"),
    ("buckets", "list"),
    ("delete", "b", "--start", "-1d", "--yes"),
)


def answer(status: str, body: bytes) -> bytes:
    """Give an answer after which the peer hangs up."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


ANSWERS = {
    "refused": answer("400 Bad Request", ECHO),
    "unauthorized": answer("401 Unauthorized", ECHO),
    "no data": answer("200 OK", ECHO),
    "cut off": answer("200 OK", b"#datatype," + ECHO + b"\r\n"),
    "no HTTP": ECHO + b"\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("turn", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_failure_shows_it(
    peer: Callable[..., Any],
    profiles: Callable[[str], Path],
    started: Started,
    command: tuple[str, ...],
    turn: bytes,
    tmp_path: Path,
) -> None:
    """Even if the server sends it back; there is a message and no traceback."""
    server = peer(*[turn] * 20)
    profiles(f'[default]\nurl = "{server.url}"\norg = "o"\ntoken = "{SECRET}"\nretries = 0\n')
    done = started.run(command, tmp_path, {})

    assert done.returncode in (1, 4, 5, 6, 7, 8)
    assert done.stderr.startswith(b"Error: ")
    assert b"Traceback" not in done.stderr
    assert b"hunter2" not in done.stdout + done.stderr


def test_ps_does_not_show_it(server: servers.InfluxDB, tmp_path: Path) -> None:
    """The arguments that others see have the path of its file."""
    path = tmp_path / "token"
    path.write_text(server.token)
    settings = server.environment() | {"INFLUXDB_TOKEN": "another-token"}
    with subprocess.Popen(
        [PROGRAM, "query", ENDLESS, "--stream", "--token-file", path],
        stdout=subprocess.PIPE,
        env=environment(tmp_path, settings),
    ) as process:
        assert process.stdout
        assert b'"result"' == process.stdout.read(8)  # it was accepted
        seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.kill()

    assert str(path).encode() in seen
    assert server.token.encode() not in seen


@pytest.mark.parametrize("option", ["--token", "--token=", "-t"])
def test_no_option_takes_it(cli: Cli, option: str) -> None:
    """One that is tried is refused, and what follows it is not quoted."""
    arguments = [option + SECRET] if option.endswith("=") else [option, SECRET]
    done = cli("query", "buckets()", *arguments, code=2)

    assert SECRET.encode() not in done.stdout + done.stderr


def test_a_malformed_setting_is_not_quoted(cli: Cli, profiles: Callable[[str], Path]) -> None:
    """A token that is no token, and one that stands where another setting belongs."""
    for line in (f'token = "{SECRET}\\n"', f'url = "{SECRET}"\ntoken = "x"', f'token = ["{SECRET}"]'):
        profiles(f'[default]\norg = "o"\n{line}\n')
        done = cli("buckets", "list", settings={}, code=3)
        assert SECRET.encode() not in done.stderr
        assert b"Traceback" not in done.stderr
