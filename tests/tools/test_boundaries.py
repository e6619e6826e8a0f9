"""The rules of `tools/boundaries.py`, each broken by a module that is planted in a package of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import boundaries

if TYPE_CHECKING:
    from pathlib import Path


def found(folder: Path, name: str, source: str) -> list[str]:
    """Return the faults of a package `db_influx` that holds this one module."""
    path = folder / "packages" / "db-influx" / "src" / "db_influx" / name
    path.parent.mkdir(parents=True)
    path.write_text(source)
    return list(boundaries.faults(folder / "packages"))


@pytest.mark.parametrize(
    ("name", "source", "part"),
    [
        ("plans/read.py", "from db_influx import _wire", "wires"),
        ("plans/read.py", "def f():\n    from db_influx._requests import ask", "requests"),
        ("plans/read.py", "from db_influx._io import Pool", "requests"),
        ("plans/read.py", "from db_influx._http import Head", "requests"),
        ("plans/read.py", "import db_influx", "managers"),
        ("_wire.py", "import db_influx.plans.read", "plans"),
        ("_wire.py", "from db_influx.plans import read", "plans"),
        ("_async_wire.py", "from db_influx._wire import Wire", "wires"),
        ("_async_wire.py", "if TYPE_CHECKING:\n    from db_influx._base import Base", "managers"),
        ("_requests.py", "from db_influx.methods import Methods", "managers"),
        ("_flux.py", "from db_influx._server import Server", "requests"),
        ("_steps.py", "from db_influx import InfluxManager", "public API"),
        ("cli/_read.py", "from db_influx._manager import InfluxManager", "managers"),
        ("cli/_read.py", "from db_influx import _times", "helpers"),
    ],
)
def test_a_part_imports_what_it_may_not(tmp_path: Path, name: str, source: str, part: str) -> None:
    """An import that runs back up is found, in a function and for annotations too."""
    (fault,) = found(tmp_path, name, source)

    assert fault.startswith(f"packages/db-influx/src/db_influx/{name}:")
    assert fault.endswith(f"of the {part}")


@pytest.mark.parametrize(
    "source",
    ["import socket", "import asyncio.events", "from selectors import DefaultSelector", "time.sleep(1)"],
)
def test_only_a_wire_waits(tmp_path: Path, source: str) -> None:
    """What opens sockets or waits is a fault in a plan, and none in a wire."""
    assert 1 == len(found(tmp_path / "plan", "plans/read.py", source))
    assert [] == found(tmp_path / "wire", "_wire.py", source)


@pytest.mark.parametrize(
    "source",
    [
        "sys._getframe(1)",
        "pool._put_conn(connection)",
        "connection._HTTPConnection__state",
        "class C(http.client.HTTPConnection):\n    def send(self):\n        self._send_output()",
        "class C(urllib3.HTTPResponse):\n    def close(self):\n        super()._close_conn()",
        "pool._put_conn = mine",
        "from urllib3.connection import _wrap_proxy_error",
        "import h11._connection",
        "from concurrent.futures._base import Future",
        "getattr(sys, '_base_executable', None)",
        "operator.attrgetter('raw._fp')",
    ],
)
def test_a_private_name_of_a_library(tmp_path: Path, source: str) -> None:
    """A library's private name is found, whatever way it is reached."""
    assert 1 == len(found(tmp_path, "_wire.py", source))


@pytest.mark.parametrize(
    "source",
    [
        "class C:\n    def _f(self):\n        return self._f()",
        "class C:\n    def __init__(self):\n        self._x = 1\n\ndef f(c):\n    return c._x",
        "from __future__ import annotations\nfrom db_core._native import Batch\nf.__name__",
    ],
)
def test_a_private_name_of_ours(tmp_path: Path, source: str) -> None:
    """A private name that the package itself defines is no fault."""
    assert [] == found(tmp_path, "_wire.py", source)


def test_the_packages_have_no_fault() -> None:
    """The packages keep to the rules."""
    assert [] == list(boundaries.faults(boundaries.PACKAGES))
