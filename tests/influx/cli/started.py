"""Run the command line in a process that has its imports already: `python started.py SOCKET`.

Each run of `db-influx` imports libraries for half a second. This program imports them once, by asking a
server that is not there, and forks a process for each run that a test asks for on the socket. The process
has the arguments, environment, folder and files of that run. The program ends when the socket does.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn


def main() -> None:
    """Import what commands import, and do the runs that come from the socket, one after the other."""
    import pandas as pd  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from db_core import ConnectionFailedError
    from db_influx import InfluxManager
    from db_influx.cli import _app, _output, _text  # noqa: F401

    with InfluxManager("http://127.0.0.1:9", "o", "t", retries=0) as manager, suppress(ConnectionFailedError):
        manager.count("b", "m")
    gc.collect()
    gc.freeze()  # or collections in each process would copy what it shares with this one

    with socket.socket(fileno=int(sys.argv[1])) as line:
        line.sendall(b"\n")
        while True:
            message, files, *_ = socket.recv_fds(line, 2**20, 3)
            if not message:
                return
            run = json.loads(message)
            process = os.fork()
            if process == 0:
                line.close()
                _run(run, files)
            for file in files:
                os.close(file)
            _, status = os.waitpid(process, 0)
            line.sendall(json.dumps(os.waitstatus_to_exitcode(status)).encode() + b"\n")


def _run(run: dict[str, Any], files: list[int]) -> NoReturn:
    """Become the process of one run, and end as Python does."""
    from db_influx.cli import main as command

    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        os.environ.clear()
        os.environ.update(run["environment"])
        os.chdir(run["folder"])
        sys.argv = ["db-influx", *run["arguments"]]
        try:
            command()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
