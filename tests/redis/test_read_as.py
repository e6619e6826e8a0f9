"""`read_as` reads all that `save_in_redis` writes of a float and of a time, into the same value."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, Field

from db_core.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable

LISBON_MEAN_TIME = dt.datetime(
    1911, 1, 1, 12, tzinfo=ZoneInfo("Europe/Lisbon")
)  # 36 minutes and 45 seconds behind


@dataclasses.dataclass
class Reading:
    """A number and a text, which may look the same."""

    power: float
    state: str
    limits: list[float | None]
    time: dt.datetime | None = None


class Bounded(BaseModel):
    """Takes no NaN."""

    power: float = Field(allow_inf_nan=False)


def test_what_nan_as_text_wrote_is_read_into_a_float(make: Callable[..., Any]) -> None:
    """Where a float is asked for, and only there."""
    store = make(nan="string")
    reading = Reading(math.inf, "NaN", [-math.inf, 1.5, None])
    store.save_many({"a": reading, "b": [math.nan, 0.1], "c": {"x": {"y": -math.inf}}})

    assert reading == store.read_as("a", Reading)
    first, second = store.read_as("b", list[float])
    assert math.isnan(first)
    assert 0.1 == second
    assert {"x": {"y": -math.inf}} == store.read_as("c", dict[str, dict[str, float]])
    assert ["NaN", 0.1] == store.read_as("b", list[float | str])
    assert math.inf == store.get_or_compute("d", lambda: math.inf, ttl=60, type=float)


@pytest.mark.parametrize("value", ["nan", "inf", "1.5", "NaN "])
def test_other_texts_are_no_floats(store: Any, value: str) -> None:
    """Only the three that are written."""
    store.save_in_redis("k", [value])
    with pytest.raises(SerializationError, match=r"^.*\$\[0\]"):
        store.read_as("k", list[float])


def test_a_float_that_is_bounded_stays_so(make: Callable[..., Any]) -> None:
    """The error names the place."""
    store = make(nan="string")
    store.save_in_redis("k", {"power": math.nan})
    with pytest.raises(SerializationError, match=r"\$\.power is no Bounded.*finite") as caught:
        store.read_as("k", Bounded)
    assert "$.power" == caught.value.path


def test_an_offset_with_seconds_is_read_as_the_same_moment(store: Any) -> None:
    """As local mean times have them; pydantic alone reads none."""
    reading = Reading(1.5, "on", [], LISBON_MEAN_TIME)
    store.save_in_redis("k", [reading, reading])
    assert "1911-01-01T12:00:00-00:36:45" == store.safe_read_from_redis("k")[0]["time"]

    read = store.read_as("k", list[Reading])
    assert [reading, reading] == read
    assert dt.datetime(1911, 1, 1, 12, 36, 45, tzinfo=dt.UTC) == read[0].time
