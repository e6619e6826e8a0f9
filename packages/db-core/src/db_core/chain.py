"""Walk the chain of an error: its causes and contexts."""

from __future__ import annotations

import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["empty_frames", "links", "package_of"]


def links(error: BaseException, handled: BaseException | None = None) -> list[BaseException]:
    """Return an error and its causes and contexts, each once, except the one that the caller handles."""
    found: list[BaseException] = []
    seen = {id(None), id(handled)}
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found


def empty_frames(error: BaseException, package: str) -> None:
    """Clear the local variables of a package's frames in an error's tracebacks.

    A frame that refers to the error itself would keep what was sent until garbage is collected. Only the
    package's own frames are cleared, as the last context may be an error that our caller handles.
    """
    for link in links(error):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if package_of(frame) == package:
                with suppress(RuntimeError):  # the frame still runs
                    frame.clear()


def package_of(frame: FrameType) -> str:
    """Return the package that a frame's code belongs to; "None" for some code that `exec` runs."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]
