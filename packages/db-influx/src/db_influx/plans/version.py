"""The version of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db_influx._steps import AskJson
from db_influx.plans.schema import unexpected

if TYPE_CHECKING:
    from db_influx._steps import Steps

__all__ = ["version"]


def version() -> Steps[str]:
    """Return the version that the server shows without a token."""
    told = yield AskJson("health")
    try:
        found = told["version"]
        if isinstance(found, str) and found:
            return found.removeprefix("v")
    except (KeyError, TypeError) as error:
        raise unexpected("the version") from error
    raise unexpected("the version")
