"""All that a person, a log or a tool may see of an object or an error, as texts."""

from __future__ import annotations

import pickle
import traceback
from contextlib import suppress
from pprint import pformat

__all__ = ["of_error", "of_object"]


def of_error(error: BaseException) -> list[str]:
    """Give the texts of an error and of all that it is chained to; local variables are not among them."""
    texts = traceback.format_exception(error)
    for link in chain(error):
        texts += [
            str(link),
            repr(link),
            repr(link.args),
            repr(getattr(link, "__notes__", "")),
            pformat(vars(link)),
        ]
        if hasattr(link, "errors"):  # pydantic's own keeps the input
            texts.append(repr(link.errors()))
    with suppress(TypeError):  # those of influxdb-client hold a socket
        texts.append(repr(pickle.dumps(error)))
    return texts


def chain(error: BaseException | None) -> list[BaseException]:
    """Give an error, its causes and its contexts, also those that are not shown."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and link not in found:
            found.append(link)
            waiting += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
    return found


def of_object(thing: object) -> list[str]:
    """Give the texts of an object and of what it holds, two levels deep."""
    texts = [repr(thing), str(thing), f"{thing}", pformat(thing)]
    with suppress(TypeError):  # it has none
        held = vars(thing)
        texts += [pformat(held), *map(repr, held.values())]
    with suppress(TypeError, AttributeError, pickle.PicklingError):
        texts.append(repr(pickle.loads(pickle.dumps(thing))))
        texts.append(pformat(thing.__getstate__()))
    return texts
