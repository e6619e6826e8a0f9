"""What a method wants done, as small values: its steps wait for nothing, the clients do them.

A method is a generator. It yields a step, is sent the reply or thrown the error, and returns
the result. So there is one `read_many`, and two clients that know how to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = ["Args", "Call", "Command", "Incomplete", "Outcome", "Pause", "Pipeline", "Step", "Steps"]

# Text and bytes alone. hiredis 3.5 makes an integer text itself, and ends the process when the handler of a
# signal raises meanwhile.
Args: TypeAlias = tuple[Any, ...]


class Command(NamedTuple):
    """One command; the reply is redis-py's, bytes where `raw`.

    Where `to_the_end`, it is waited for even by a task that is cancelled.
    """

    args: Args
    raw: bool = False
    to_the_end: bool = False


class Pipeline(NamedTuple):
    """Commands in one go; the reply is a list, in which a refusal is an exception.

    Where `atomic`, nothing comes between them; on a Cluster their keys are then of one slot.
    """

    commands: list[Args]
    atomic: bool = False
    raw: bool = False


class Pause(NamedTuple):
    """Seconds to let others work."""

    seconds: float


class Call(NamedTuple):
    """A function of the user's to call, and to await if it gives something to await; gives an `Outcome`."""

    function: Callable[[], Any]


class Outcome(NamedTuple):
    """What the user's function gave, or raised."""

    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """Give the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


class Incomplete(Exception):  # noqa: N818 - tells how far it went
    """An error of redis-py's, its cause, in the middle of a batch; the text says how far that was."""


Step: TypeAlias = Command | Pipeline | Pause | Call
_Result = TypeVar("_Result")
Steps: TypeAlias = Generator[Step, Any, _Result]
