"""What every server handle can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from tools.servers._errors import ServerError

if TYPE_CHECKING:
    from types import TracebackType

    from tools.servers._process import Process


class Server(ABC):
    """A server that answers; stopped at the end of its `with` block, if it was started here."""

    def __init__(self, process: Process | None) -> None:
        self._process = process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the environment variables by which a program finds this server."""

    @property
    def pid(self) -> int:
        """The id of the process that was started for it."""
        return self._own().pid

    @property
    def runs(self) -> bool:
        """Whether the process that was started for it is there."""
        return self._own().runs

    def log_tail(self) -> str:
        """Return the last lines of its log with a heading; without lines where it was not started here."""
        return self._process.log_tail() if self._process else "Its log is elsewhere."

    def kill(self) -> None:
        """End the server at once, as `kill -9` does."""
        self._own().kill()

    def restart(self) -> None:
        """Start it again, stopping it first if it runs: same port, same data."""
        self._own().restart()

    def close(self) -> None:
        """Stop it, if it was started here; harmless when already done."""
        if self._process:
            self._process.close()

    def _own(self) -> Process:
        if self._process is None:
            raise ServerError(
                f"{self!r} is from the environment, not ours to stop; ask for one with `own=True`."
            )
        return self._process
