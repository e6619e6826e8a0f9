"""The command line `db-influx`: a user of the public managers, as any program may be one."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]

_EXTRA = ("typer", "rich", "pyarrow")


def main() -> None:
    """Run the command that the arguments of the process name, and end the process."""
    if any(find_spec(library) is None for library in _EXTRA):
        print("db-influx needs its extra: pip install 'db-influx[cli]'", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    from db_influx.cli._app import app
    from db_influx.cli._ends import open_streams, run

    open_streams()
    run(app)
