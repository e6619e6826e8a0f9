"""Times that an option names, where a command itself must know them."""

from __future__ import annotations

from db_core.errors import InvalidArgumentError

__all__ = ["moment"]


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
            found = now + pd.Timedelta(text)
        else:
            found = pd.Timestamp(text)
            found = found.tz_localize(tz or "UTC") if found.tz is None else found
        return int(found.as_unit("ns").value)
    except (ValueError, AttributeError) as error:  # NaT has no zone
        example = "2026-07-01T12:30:00Z, now() or -30d"
        message = f"`{name}` must be a time such as {example}, not {text!r}"
        raise InvalidArgumentError(message, argument=name) from error
