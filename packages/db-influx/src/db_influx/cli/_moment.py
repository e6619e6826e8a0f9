"""Times that an option names, where a command itself must know them."""

from __future__ import annotations

import re

from db_core.errors import InvalidArgumentError

__all__ = ["moment"]

_CALENDAR = re.compile(r"(\d+)(mo|y)")
_MONTHS = {"mo": 1, "y": 12}


def moment(text: str, name: str, tz: str | None = None) -> int:
    """Return a time as nanoseconds since the epoch.

    Args:
        text: ISO 8601 text, "now()", or a duration before now such as "-30d".
        name: Name of the option.
        tz: Zone of a time without an offset; None is UTC.
    """
    import pandas as pd

    now = pd.Timestamp.now("UTC")
    try:
        if text == "now()":
            found = now
        elif text.startswith("-"):
            months = sum(int(count) * _MONTHS[unit] for count, unit in _CALENDAR.findall(text))
            rest = _CALENDAR.sub("", text[1:])
            found = now - pd.DateOffset(months=months) - pd.Timedelta(rest or 0)
        else:
            found = pd.Timestamp(text)
            found = found.tz_localize(tz or "UTC") if found.tz is None else found
        return int(found.as_unit("ns").value)
    except (ValueError, AttributeError, OverflowError) as error:  # NaT has no zone
        example = "2026-07-01T12:30:00Z, now() or -30d"
        message = f"`{name}` must be a time such as {example}, not {text!r}"
        raise InvalidArgumentError(message, argument=name) from error
