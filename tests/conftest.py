"""What the tests of all packages share: a peer, and real servers, whose users are marked."""

from __future__ import annotations

import importlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tests.peer import Turn


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real server, by the fixtures it uses."""
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker("server")


@pytest.fixture(scope="session")
def servers() -> ModuleType:
    """Return `tools.servers`. Each test and fixture that starts a server takes it from here."""
    return importlib.import_module("tools.servers")


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Return a function that starts a peer with this script, as `Peer` takes it."""
    with ExitStack() as at_end:

        def start(*turns: Turn, **options: Any) -> Peer:
            made = Peer(*turns, **options)
            at_end.callback(made.close)
            return made

        yield start
