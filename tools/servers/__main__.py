"""Run a command against real servers, or run the servers until Ctrl-C.

python -m tools.servers -- COMMAND [ARGUMENT ...]
python -m tools.servers
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from typing import NoReturn

from tools.servers import ServerError, _toxiproxy, influxdb, redis


def main() -> int:
    """Start the servers, run the command, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.servers", description=__doc__)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run; after it, the servers stop")
    command = parser.parse_args().command
    if command[:1] == ["--"]:
        del command[0]
    signal.signal(signal.SIGTERM, _leave)
    try:
        _toxiproxy.prepare()
        with influxdb() as influx_server, redis() as redis_server:
            variables = influx_server.environment() | redis_server.environment()
            return _run(command, variables) if command else _serve(variables)
    except ServerError as error:
        sys.exit(f"tools.servers: {error}")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _run(command: list[str], variables: dict[str, str]) -> int:
    process = subprocess.Popen(command, env=os.environ | variables)
    try:
        return process.wait()
    except BaseException:
        process.terminate()  # Ctrl-C has reached it already; SIGTERM has not
        process.wait()
        raise


def _serve(variables: dict[str, str]) -> int:
    for name, value in variables.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    sys.stdout.write("# running until Ctrl-C\n")
    sys.stdout.flush()
    signal.pause()
    return 0


def _leave(_signal: int, _frame: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
