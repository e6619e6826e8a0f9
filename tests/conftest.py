"""What the tests of all packages share."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peer import Turn


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Return a function that starts a peer with this script, as `Peer` takes it."""
    with ExitStack() as at_end:

        def start(*turns: Turn, **options: Any) -> Peer:
            made = Peer(*turns, **options)
            at_end.callback(made.close)
            return made

        yield start
