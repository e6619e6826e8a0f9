"""The steps of a method, as small values. A method never waits; the clients take its steps for it.

A method is a generator. It yields a step, is sent the reply or thrown the error, and returns
the result. So there is one `read_many`, and two clients that know how to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = ["Args", "Command", "Compute", "FailedPartway", "Outcome", "Pause", "Pipeline", "Step", "Steps"]

# Text and bytes only. hiredis 3.5 converts an integer to text itself, and ends the process if a signal
# handler raises at that moment.
Args: TypeAlias = tuple[Any, ...]


class Command(NamedTuple):
    """Send one command. The reply is redis-py's, or bytes if `raw`.

    If `finish_if_cancelled`, a task that is cancelled still waits for the reply.
    """

    args: Args
    raw: bool = False
    finish_if_cancelled: bool = False


class Pipeline(NamedTuple):
    """Send several commands in one round trip. The reply is a list, in which a refusal is an exception.

    If `atomic`, Redis runs no other command between them. On a Cluster all their keys are then in one slot.
    """

    commands: list[Args]
    atomic: bool = False
    raw: bool = False


class Pause(NamedTuple):
    """Wait for some seconds."""

    seconds: float


class Compute(NamedTuple):
    """Call the user's function, and await its result if that is awaitable. The reply is an `Outcome`."""

    function: Callable[[], Any]


class Outcome(NamedTuple):
    """The value that the user's function returned, or the error that it raised."""

    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


class FailedPartway(Exception):  # noqa: N818 - the text says how far the batch went
    """redis-py raised an error, the cause of this one, in the middle of a batch."""


Step: TypeAlias = Command | Pipeline | Pause | Compute
_Result = TypeVar("_Result")
Steps: TypeAlias = Generator[Step, Any, _Result]
