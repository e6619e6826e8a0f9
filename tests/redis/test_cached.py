"""The decorator `cached`: one key for one function and its arguments, and never one for two."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime as dt
import enum
import functools
import math
import subprocess
import sys
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pydantic import BaseModel, Field

from db_core.errors import InvalidArgumentError
from db_redis import AsyncRedisClient, RedisClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools import servers


calls: list[Any] = []


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    calls.clear()


def power(meter: str, day: int = 1, *, unit: str = "kW") -> list[Any]:
    """Look it up."""
    calls.append((meter, day, unit))
    return [meter, day, unit]


def unit_count(*meters: str, **units: int) -> int:
    """Count the units."""
    calls.append((meters, units))
    return len(units)


async def shout(meter: str) -> str:
    """Write in capitals, later."""
    calls.append(meter)
    await asyncio.sleep(0)
    return meter.upper()


def keys_of(client: RedisClient, *values: Any) -> list[Any]:
    """Give the keys that a function of one argument has in Redis, each value's its own."""
    stored: list[Any] = []

    @client.cached(ttl=60, key="one")
    def one(value: Any) -> bool:
        return value is None

    for value in values:
        client.delete_many(client.scan())
        one(value)
        stored += client.scan()
    return stored


class Plant:
    """Has a method that is cached, and no `__eq__`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def power(self, day: int) -> str:
        """Name the plant and the day."""
        calls.append(day)
        return f"{self.name}{day}"

    def __call__(self, day: int) -> str:
        """Name them too."""
        return self.power(day)


class Color(enum.Enum):
    """One of two."""

    RED = 1
    BLUE = 2


class Shade(enum.IntEnum):
    """Equal to a number."""

    RED = 1


@dataclasses.dataclass
class Day:
    """A number."""

    number: int


@dataclasses.dataclass
class Hour(Day):
    """Another."""


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    """Has no dict."""

    number: int


class Model(BaseModel):
    """Leaves a field out of its dump."""

    a: int = 1
    hidden: int = Field(default=1, exclude=True)


class Pair(NamedTuple):
    """A tuple by another name."""

    a: int
    b: int


class Word(str):
    """A text by another name."""

    __slots__ = ()


class Table(dict[str, int]):
    """A dict with a note."""

    note = ""


# --- The name of a function -----------------------------------------------------


def test_a_function_is_cached_by_its_arguments(client: RedisClient) -> None:
    """However they are passed; the function's name and docstring stay."""
    cached = client.cached(ttl=60)(power)
    assert ["m", 1, "kW"] == cached("m") == cached(meter="m", day=1) == cached("m", 1, unit="kW")
    assert ["m", 2, "kW"] == cached("m", 2)
    assert ["n", 1, "W"] == cached("n", unit="W")
    assert [("m", 1, "kW"), ("m", 2, "kW"), ("n", 1, "W")] == calls
    assert ("power", "Look it up.") == (cached.__name__, cached.__doc__)
    assert f'{__name__}.power:{{"meter":"m","day":1,"unit":"kW"}}' in set(client.scan())


def undecorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function without keeping its name."""

    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def scaled(factor: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function and keep its name."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return [factor, *function(*args)]

    return wrapper


def _(day: int) -> int:
    """Have the name of all functions that need none."""
    return day


def local() -> int:
    """Stand in for functions that are made in this file, below."""
    return 0


def a_local_function() -> Callable[[], int]:
    """Make one, as a factory does."""

    def local() -> int:
        return 1

    return local


@pytest.mark.parametrize(
    "function",
    [
        lambda: 1,
        a_local_function(),
        undecorated(power),
        scaled(2, power),
        scaled(3, scaled(2, power)),
        _,
        functools.partial(power, "m"),
        functools.update_wrapper(functools.partial(power, "m"), power),
        Plant("north"),
        Plant("north").power,
        "north".upper,
        len,
        max,
        dict,
        Day,
    ],
    ids=[
        "lambda",
        "local",
        "undecorated",
        "scaled",
        "scaled twice",
        "_",
        "partial",
        "updated",
        "object",
        "method",
        "text",
        "len",
        "max",
        "dict",
        "class",
    ],
)
def test_a_function_without_a_name_of_its_own_needs_a_key(client: RedisClient, function: Any) -> None:
    """As another function would have its values; the error comes where it is decorated."""
    with pytest.raises(InvalidArgumentError, match="`cached` needs `key`") as caught:
        client.cached(ttl=60)(function)
    assert "key" == caught.value.argument


@functools.partial(scaled, 10)
def tenfold(meter: str) -> list[Any]:
    """Look it up."""
    return power(meter)


def test_a_function_behind_a_decorator_that_keeps_names_needs_no_key(client: RedisClient) -> None:
    """Where it is what its name stands for."""
    assert [10, "n", 1, "kW"] == client.cached(ttl=60)(tenfold)("n")
    assert [f'{__name__}.tenfold:{{"meter":"n"}}'] == list(client.scan())


def test_any_function_is_cached_under_a_key(client: RedisClient) -> None:
    """Each under its own, as its name says nothing."""
    double, triple = (client.cached(ttl=60, key=f"times {factor}")(times(factor)) for factor in (2, 3))
    assert (14, 21) == (double(7), triple(7)) == (double(7), triple(7))
    assert [2, 3] == calls

    assert ["m", 2, "kW"] == client.cached(ttl=60, key="partial")(functools.partial(power, "m"))(2)
    assert "north3" == client.cached(ttl=60, key="object")(Plant("north"))(3)
    assert 3 == client.cached(ttl=60, key="builtin")(len)([1, 2, 3])


def times(factor: int) -> Callable[[int], int]:
    """Make a closure."""

    def multiply(number: int) -> int:
        calls.append(factor)
        return number * factor

    return multiply


def test_a_function_whose_arguments_python_does_not_know_needs_a_function_as_key(client: RedisClient) -> None:
    """As `max`, which has no signature."""
    with pytest.raises(InvalidArgumentError, match="`cached` needs `key` for max") as caught:
        client.cached(ttl=60, key="most")(max)
    assert "key" == caught.value.argument
    assert 3 == client.cached(ttl=60, key=lambda *numbers: f"most:{numbers}")(max)(1, 3, 2)


SCRIPT = """
import sys
from db_redis import RedisClient

client = RedisClient(sys.argv[1], int(sys.argv[2]), sys.argv[3] or None, namespace=sys.argv[4])

@client.cached(ttl=60)
def answer():
    return {answer}

print(answer())
"""

SCRIPT_WITH_A_TYPE = """
import enum, sys
from db_redis import RedisClient

client = RedisClient(sys.argv[1], int(sys.argv[2]), sys.argv[3] or None, namespace=sys.argv[4])

class Unit(enum.Enum):
    {answer} = 1

@client.cached(ttl=60, key="name")
def name(unit):
    return unit.name

print(name(Unit(1)))
"""


@pytest.mark.parametrize(
    ("script", "answers", "refusal"),
    [
        (SCRIPT, ["1", "2"], "needs `key` for answer"),
        (SCRIPT_WITH_A_TYPE, ["kilowatt", "watt"], "__main__.Unit was defined in a session without a file"),
    ],
    ids=["function", "argument"],
)
def test_scripts_with_equal_names_do_not_share_values(
    server: servers.Redis, namespace: str, tmp_path: Path, script: str, answers: list[str], refusal: str
) -> None:
    """Python calls each of them `__main__`; a session without a file has no name at all."""
    address = [server.host, str(server.port), server.password or "", namespace]

    def run(*program: str) -> str:
        arguments = [sys.executable, *program, *address]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr

    for answer in answers:
        (tmp_path / f"{answer}.py").write_text(script.format(answer=answer))
    assert answers == [run(str(tmp_path / f"{answer}.py")) for answer in answers]
    assert refusal in run("-c", script.format(answer=answers[0]))


def test_the_key_may_be_made_by_a_function(client: RedisClient) -> None:
    """So it is known where to delete it, and methods can be cached."""
    cached = client.cached(ttl=60, key=lambda plant, day: f"{plant.name}:{day}")(Plant.power)
    plant = Plant("north")
    assert ["north3", "north3"] == [cached(plant, 3), cached(plant, 3)]
    assert [3] == calls
    assert 1 == client.delete_many(["north:3"])
    assert "north3" == cached(plant, 3)
    assert [3, 3] == calls
    with pytest.raises(
        InvalidArgumentError, match=r"argument `self` .* can't be a part of the key.*Plant has no"
    ) as caught:
        client.cached(ttl=60)(Plant.power)(plant, 3)
    assert "key" == caught.value.argument
    with pytest.raises(InvalidArgumentError, match="`key`"):
        client.cached(ttl=60, key=1)(power)  # type: ignore[arg-type]


# --- The arguments -----------------------------------------------------------------

NOON = dt.datetime(2026, 7, 1, 12)  # noqa: DTZ001 - a naive one is among them
LISBON, LONDON = ZoneInfo("Europe/Lisbon"), ZoneInfo("Europe/London")


def noted(note: str) -> Table:
    """Make a dict with an attribute."""
    table = Table(a=1)
    table.note = note
    return table


# Values of one family, of which no two are the same; in groups, for the width of a line.
FAMILIES: dict[str, list[list[Any]]] = {
    "numbers": [
        [True, 1, 1.0, "1", b"1", Decimal(1), Decimal("1.0"), Decimal("1E+1"), Decimal(10), 2**64, -(2**64)],
        [False, 0, 0.0, -0.0, Shade.RED, 1 + 0j],
        [kind(1) for kind in (np.int8, np.int64, np.float32, np.float64, np.bool_)],
    ],
    "nothing": [
        [None, math.nan, math.inf, -math.inf, "NaN", "null", Decimal("NaN"), pd.NaT, pd.NA],
        [np.float64("nan"), np.datetime64("NaT", "ms"), np.datetime64("NaT", "s")],
        ["", b"", [], (), {}, set(), frozenset()],
    ],
    "containers": [
        [[1], (1,), {1}, frozenset({1}), {1: 2}, {"1": 2}, [1, 2], (1, 2), Pair(1, 2), [(1,)], [[1]], ([1],)],
        [collections.deque([1]), collections.deque([1], 3), {"a": 1}, collections.OrderedDict(a=1)],
        [noted(""), noted("n"), {"a": 1, "b": 2}, {"b": 2, "a": 1}, range(3), slice(3)],
    ],
    "classes": [
        [Day(1), Day(2), Hour(1), Slotted(1), Slotted(2), {"number": 1}, Word("a"), "a"],
        [Color.RED, Color.BLUE, Model(), Model(a=2), Model(hidden=2), Day, Hour, int, str, len, power],
    ],
    "times": [
        [NOON, NOON.replace(fold=1), NOON.isoformat(), NOON.date(), NOON.time(), LISBON, LONDON],
        [NOON.replace(tzinfo=zone) for zone in (LISBON, LONDON, dt.timezone(dt.timedelta(hours=1)), dt.UTC)],
        [pd.Timestamp(NOON, tz=zone) for zone in (None, "Europe/Lisbon", "Europe/London")],
        [pd.Timestamp(NOON).as_unit("s"), pd.Timestamp(NOON).replace(fold=1)],
        [np.datetime64(NOON), np.datetime64(NOON, "ns")],
    ],
    "lengths": [
        [dt.timedelta(1), pd.Timedelta(1, "D"), pd.Timedelta(1, "D").as_unit("ns"), np.timedelta64(1, "D")],
        [np.timedelta64(24, "h"), pd.offsets.MonthEnd(1), pd.offsets.MonthEnd(2), pd.DateOffset(days=1)],
        [pd.Period("2026", freq=f"Y-{end}") for end in ("DEC", "MAR", "JUN")],
        [pd.Interval(0, 1), pd.Interval(0, 1, closed="left")],
    ],
    "arrays": [
        [
            np.array([]),
            np.array([], "i8"),
            np.zeros((0, 3)),
            np.zeros((3, 0)),
            np.array([1]),
            np.array([[1]]),
        ],
        [np.array([1], kind) for kind in ("i1", ">i8", "f8")],
        [np.array(["a"]), np.array(["a"], object)],
        [np.ma.array([1, 2], mask=mask) for mask in ([0, 1], [1, 0])],
        [np.array([(1, 2)], dtype=[("a", "i4"), (second, "i4")]) for second in "bc"],
    ],
    "pandas": [
        [pd.Series([1]), pd.Series([1], name="a"), pd.Series([1], index=[1]), pd.Series([1], dtype="Int64")],
        [pd.Series([], dtype=kind) for kind in ("i8", "f8")],
        [
            pd.Series(["a"], dtype=kind)
            for kind in ("str", object, "category", pd.CategoricalDtype(["a", "b"]))
        ],
        [pd.Index([1]), pd.Index([1], name="x"), pd.RangeIndex(1, 2), pd.DataFrame()],
        [pd.date_range("2026", periods=2, tz=zone) for zone in (None, "UTC", "Europe/Lisbon")],
        [pd.DataFrame({name: []}, dtype=kind) for name, kind in (("a", "i8"), ("a", "f8"), ("b", "i8"))],
        [pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"b": [1], "a": [1]}), pd.DataFrame({"a": [1]})],
        [pd.DataFrame({"a": [1]}, index=pd.Index([0], name="i"))],
        [pd.DataFrame([[1]], columns=pd.Index(["a"], name="c"))],
        [pd.period_range("2026", periods=1, freq=f"Y-{end}") for end in ("DEC", "MAR")],
    ],
    "polars": [
        [pl.DataFrame(), pl.DataFrame({"a": [1]}), pl.Series([1]), pl.Series("a", [1])],
        [
            pl.DataFrame(schema={name: kind})
            for name, kind in (("a", pl.Int64), ("a", pl.Int8), ("b", pl.Int8))
        ],
        [pl.Series([], dtype=kind) for kind in (pl.Int8, pl.Int16, pl.Datetime("ns"), pl.Datetime("us"))],
        [pl.Series([NOON]).dt.replace_time_zone(zone) for zone in (None, "UTC", "Europe/Lisbon")],
        [
            pl.Series(["a"], dtype=kind)
            for kind in (pl.String, pl.Categorical, pl.Enum(["a"]), pl.Enum(["b", "a"]))
        ],
        [pl.Int64, pl.Datetime("ns"), pl.Datetime("us")],
    ],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_arguments_that_differ_have_keys_of_their_own(client: RedisClient, family: str) -> None:
    """By type, zone, frequency, dtype, name, order and all else that a function may see."""
    values = [*chain.from_iterable(FAMILIES[family])]
    keys = keys_of(client, *values)
    shared = [
        (values[first], values[second])
        for second in range(len(keys))
        for first in range(second)
        if keys[first] == keys[second]
    ]
    assert [] == shared
    assert len(values) == len(keys)


def test_equal_arguments_have_one_key(client: RedisClient) -> None:
    """In whatever order a set has its parts, and whichever objects they are."""
    texts = [f"meter {number}" for number in range(20)]

    def made() -> list[Any]:
        return [
            {*texts},
            pd.DataFrame({"a": [1.5]}, index=pd.date_range("2026", periods=1, tz="Europe/Lisbon")),
            pl.DataFrame({"a": [str(b"ab", "utf-8")]}),
            NOON.replace(tzinfo=ZoneInfo("Europe/Lisbon")),
            Model(a=7),
            Day(Decimal("0.10")),  # type: ignore[arg-type]
            (np.arange(3), b"".join([b"a", b"b"])),
        ]

    first, second = made(), made()
    first.append({*texts})
    second.append({*reversed(texts)})
    assert keys_of(client, *first) == keys_of(client, *second)


def test_an_argument_that_does_not_tell_all_of_itself_is_refused(client: RedisClient) -> None:
    """The error names it; nothing is computed."""

    @dataclasses.dataclass
    class Local:
        number: int

    def of_one_name() -> type:
        @dataclasses.dataclass
        class Local:
            number: int

        return Local

    endless: list[Any] = []
    endless.append(endless)
    refused = [Local(1), of_one_name()(1), Plant("north"), object(), lambda: 1, iter([1]), endless]
    refused += [memoryview(b"a"), pl.Series([object()], dtype=pl.Object), [Day(object())]]  # type: ignore[arg-type]
    for value in refused:
        with pytest.raises(
            InvalidArgumentError, match="argument `value` of one can't be a part of the key"
        ) as caught:
            keys_of(client, value)
        assert "key" == caught.value.argument
    assert [] == list(client.scan())


def test_the_order_of_keywords_makes_no_key(client: RedisClient) -> None:
    """As it makes no difference to the function."""
    cached = client.cached(ttl=60)(unit_count)
    assert 2 == cached("m", a=1, b=2) == cached("m", b=2, a=1)
    assert 1 == len(calls)


def test_long_arguments_are_hashed(client: RedisClient) -> None:
    """Keys stay short, and differ as the arguments do."""

    @client.cached(ttl=60, key="sizes")
    def size(texts: list[str]) -> int:
        return len(texts)

    assert (100, 101) == (size(["x" * 10] * 100), size(["x" * 10] * 101))
    keys = sorted(map(str, client.scan()))
    assert 2 == len(keys)
    assert all(key.startswith("sizes:") and len(key) == len("sizes:") + 32 for key in keys)


def test_an_asynchronous_function_is_cached(server: servers.Redis, namespace: str) -> None:
    """By `AsyncRedisClient`, which awaits it once, and refuses the same functions."""

    async def main() -> list[Any]:
        async with AsyncRedisClient(server.host, server.port, server.password, namespace=namespace) as client:
            cached = client.cached(ttl=60, stale=60)(shout)
            with pytest.raises(InvalidArgumentError, match="`cached` needs `key` for a partial"):
                client.cached(ttl=60)(functools.partial(shout, "m"))
            return [await cached("m"), await cached("m"), await cached(meter="n")]

    assert ["M", "M", "N"] == asyncio.run(main())
    assert ["m", "n"] == calls
