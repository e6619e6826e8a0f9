"""Values of windows: every aggregate is what its name says, of every type, however many points there are."""

from __future__ import annotations

import math
import statistics
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
DAY = 86_400_000_000_000
SIZES = [1, 2, 1_000, 5_000, 20_000]  # points of the windows, which are days
SPAN: dict[str, Any] = {"start": "2026-01-01", "stop": "2026-01-06", "interval": "1d", "label": "start"}
FUNCTIONS: list[Any] = [
    "count",
    "first",
    "last",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "p5",
    "skew",
    "spread",
]
FUNCTIONS += ["stddev", "sum", ("quantile", 0.995)]
OF_THE_TYPE = ["first", "last", "max", "min", "mode", "spread", "sum"]
# A sum of these exceeds 64 bits, or a double.
TOO_LARGE = {"offset", "huge"}
SPELLED: dict[str, Callable[[Any], str]] = {
    "float": repr,
    "integer": "{}i".format,
    "unsigned": "{}u".format,
    "string": '"{}"'.format,
    "boolean": repr,
}
DTYPES = {"float": "float64", "integer": "int64", "unsigned": "uint64"}


def shapes(kind: str) -> dict[str, list[Any]]:
    """Give values for all windows, by what is hard about them."""
    random = np.random.default_rng(17)
    count = sum(SIZES)
    ties = random.integers(0, 10, count).tolist()
    states = [1000 * (place % 3) for place in range(count)]
    if kind == "float":
        steps = random.integers(-3, 4, count)
        return {
            "ties": [float(value) for value in ties],
            "states": [float(value) for value in states],
            "random": random.normal(size=count).tolist(),
            "noise": (1e15 + steps / 8).tolist(),
            "tiny": (steps * 5e-324).tolist(),
            "huge": (steps * 2.5e307).tolist(),
        }
    least = 0 if kind == "unsigned" else -(2**40)
    return {
        "ties": ties,
        "states": states,
        "wide": random.integers(least, 2**40, count).tolist(),
        "offset": [2**53 + 1 + value for value in ties],
    }


def windows(values: Sequence[Any]) -> list[list[Any]]:
    """Cut values into the windows."""
    ends = np.cumsum(SIZES)
    return [list(values[end - size : end]) for end, size in zip(ends, SIZES, strict=True)]


@pytest.fixture(scope="module")
def stored(store: Store) -> dict[str, dict[str, list[Any]]]:
    """Write a measurement for each type, and a series for each of its shapes."""
    held = {kind: shapes(kind) for kind in DTYPES}
    for kind, series in held.items():
        for shape, values in series.items():
            lines = [
                f"{kind},shape={shape} v={SPELLED[kind](value)} {T0 + day * DAY + DAY // size * place}"
                for day, (size, window) in enumerate(zip(SIZES, windows(values), strict=True))
                for place, value in enumerate(window)
            ]
            store.write(*lines)
    return held


def exact(values: Sequence[Any], function: Any) -> Any:
    """Work an aggregate out in whole numbers or fractions, which lose nothing; None where there is none."""
    if function == "skew":
        fractions = [Fraction(value) for value in values]
        common = math.lcm(*(one.denominator for one in fractions))
        digits = [int(one * common) for one in fractions]
        total, size = sum(digits), len(digits)
        distances = [size * one - total for one in digits]
        squares, cubes = (sum(one**power for one in distances) for power in (2, 3))
        if not squares:
            return None
        return math.sqrt(Fraction(cubes**2 * size, squares**3)) * (1 if cubes > 0 else -1)
    if function in ("median", "p5", ("quantile", 0.995)):
        share = {"median": Fraction(1, 2), "p5": Fraction(5, 100)}.get(function, Fraction(995, 1000))
        place = share * (len(values) - 1)
        ordered = sorted(values)
        low, high = (Fraction(ordered[index]) for index in (math.floor(place), math.ceil(place)))
        return float(low + (high - low) * (place % 1))
    named: dict[str, Callable[[Sequence[Any]], Any]] = {
        "count": len,
        "first": lambda values: values[0],
        "last": lambda values: values[-1],
        "max": max,
        "mean": lambda values: float(sum(map(Fraction, values)) / len(values)),
        "min": min,
        "mode": lambda values: min(statistics.multimode(values)),
        "spread": lambda values: max(values) - min(values),
        "stddev": lambda values: statistics.stdev(values) if len(values) > 1 else None,
        "sum": lambda values: math.fsum(values) if isinstance(values[0], float) else sum(values),
    }
    return named[function](values)


def check(expected: Sequence[Any], got: pd.Series, kind: str, function: Any, shape: str) -> None:
    """Compare the windows of a series: integers exactly, doubles but for rounding."""
    assert [value is None for value in expected] == got.isna().tolist()
    if function == "count" or (kind != "float" and function in OF_THE_TYPE):
        assert ("int64" if function == "count" else DTYPES[kind]) == got.dtype
        assert list(expected) == got.tolist()
        return
    assert "float64" == got.dtype
    # How far rounding may lead: the digits of the values are lost, not those of a small result.
    size = {"random": 4.0, "noise": 1e15, "tiny": 0.0}.get(shape, 0.0)
    exactly = function in (*OF_THE_TYPE, "median") and function != "sum"
    slack = 0.0 if exactly else size * (1e-12 if function in ("mean", "sum") else 1e-16)
    for window, value in zip(expected, got, strict=True):
        if window is not None:
            least = 1e-9 if function == "skew" else (5e-324 if shape == "tiny" and not exactly else 0.0)
            assert window == pytest.approx(value, rel=0 if exactly else 1e-11, abs=max(slack, least))


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_an_aggregate_is_what_its_name_says(
    manager: InfluxManager, store: Store, stored: dict[str, Any], kind: str, function: Any
) -> None:
    """For 1 to 20,000 points a window, with ties, large offsets, and the ends of what a double holds."""
    left_out = TOO_LARGE if function in ("sum", "mean") and kind == "float" else set()
    left_out = TOO_LARGE if function == "sum" else left_out
    chosen = [shape for shape in stored[kind] if shape not in left_out]

    frame = manager.read(
        **SPAN, msname=kind, fields="v", bucket=store.name, tags={"shape": chosen}, agg_func=function
    )

    for shape in chosen:
        expected = [exact(window, function) for window in windows(stored[kind][shape])]
        check(expected, frame["v"][shape], kind, function, shape)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("max_parallel", [1, 4])
def test_all_aggregates_at_once_are_those_of_each(
    manager: InfluxManager, store: Store, stored: dict[str, Any], kind: str, max_parallel: int
) -> None:
    """A list gives the same values, in whichever slices the points are read."""
    shape = "random" if kind == "float" else "wide"

    frame = manager.read(
        **SPAN,
        msname=kind,
        fields="v",
        bucket=store.name,
        tags={"shape": shape},
        agg_func=FUNCTIONS,
        max_parallel=max_parallel,
    )

    names = [f"v_{name}" if isinstance(name, str) else "v_p99.5" for name in FUNCTIONS]
    assert names == list(frame.columns)
    for name, function in zip(names, FUNCTIONS, strict=True):
        expected = [exact(window, function) for window in windows(stored[kind][shape])]
        check(expected, frame[name], kind, function, shape)


def test_aggregates_are_those_of_pandas(manager: InfluxManager, store: Store, stored: dict[str, Any]) -> None:
    """The same names in pandas, by day, give the same."""
    values = stored["float"]["random"]
    days = np.repeat(np.arange(len(SIZES)), SIZES)
    grouped = pd.Series(values).groupby(days)

    frame = manager.read(
        **SPAN,
        msname="float",
        fields="v",
        bucket=store.name,
        tags={"shape": "random"},
        agg_func=["mean", "median", "stddev", "p95", "mode", "sum", "first", "last", "min", "max", "count"],
    )

    expected = {
        "mean": grouped.mean(),
        "median": grouped.median(),
        "stddev": grouped.std(),
        "p95": grouped.quantile(0.95),
        "mode": grouped.agg(lambda window: window.mode().iloc[0]),
        **{name: grouped.agg(name) for name in ("sum", "first", "last", "min", "max", "count")},
    }
    for name, column in expected.items():
        assert column.to_numpy() == pytest.approx(frame[f"v_{name}"].to_numpy(), rel=1e-12, nan_ok=True)


# --- Text and booleans --------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("string", ["on", "off", "on", "off", "größe"]),
        ("string", ["b", "a", "c"]),
        ("string", ["", "x", ""]),
        ("string", ["x"]),
        ("string", ["on", "off"] * 2_500),
        ("boolean", [True, False]),
        ("boolean", [True, False, True]),
        ("boolean", [True]),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[:3]),
)
def test_text_and_booleans_have_four_aggregates(
    manager: InfluxManager, store: Store, msname: str, kind: str, values: list[Any]
) -> None:
    """Count, first, last and mode, the smallest of those that tie, alone and together."""
    spelled = (repr(value).lower() if kind == "boolean" else f'"{value}"' for value in values)
    store.write(*(f"{msname} v={value} {T0 + place}" for place, value in enumerate(spelled)))
    asked: dict[str, Any] = {**SPAN, "msname": msname, "fields": "v", "bucket": store.name}

    expected = [len(values), values[0], values[-1], pd.Series(values).mode()[0]]
    functions = ["count", "first", "last", "mode"]
    assert expected == manager.read(**asked, agg_func=functions).iloc[0].tolist()
    assert expected == [manager.read(**asked, agg_func=one)["v"].iloc[0] for one in functions]


@pytest.mark.parametrize(("kind", "value"), [("string", '"on"'), ("boolean", "true")])
@pytest.mark.parametrize("function", ["mean", "median", "p95", "sum", "max", "spread", "stddev", "skew"])
def test_a_function_of_numbers_of_another_type_is_refused(
    manager: InfluxManager, store: Store, msname: str, kind: str, value: str, function: str
) -> None:
    """The error names the field, its type, and what works."""
    store.write(f"{msname} v={value},w=1 {T0}")
    asked: dict[str, Any] = {**SPAN, "msname": msname, "fields": ["w", "v"], "bucket": store.name}

    for agg_func in (function, ["count", function], {"w": "mean", "v": function}):
        with pytest.raises(InvalidArgumentError) as caught:
            manager.read(**asked, agg_func=agg_func)
        assert "agg_func" == caught.value.argument
        for told in (f"'{function}'", "'v'", kind, "count, first, last or mode"):
            assert told in str(caught.value)
    assert 1.0 == manager.read(**asked, agg_func={"w": function, "v": "count"})["v"].iloc[0]


# --- Integers at the ends of 64 bits ------------------------------------------


def window(manager: InfluxManager, store: Store, kind: str, values: Sequence[int], functions: Any) -> Any:
    """Give the one row of these values."""
    name = f"m{time.time_ns()}"
    store.write(*(f"{name} v={SPELLED[kind](value)} {T0 + place}" for place, value in enumerate(values)))
    return manager.read(**SPAN, msname=name, fields="v", bucket=store.name, agg_func=functions).iloc[0]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("integer", [200_000_000_000_000_000] * 60),
        ("unsigned", [200_000_000_000_000_000] * 120),
        ("integer", [T0 + place for place in range(10)]),
        ("integer", [2**63 - 1, -(2**63)]),
        ("integer", [-(2**63)]),
        ("integer", [-(2**63)] * 3),
        ("integer", [2**63 - 1] * 3),
        ("unsigned", [2**64 - 1] * 3),
        ("unsigned", [0, 2**64 - 1]),
        ("integer", [2**53 + 1, 2**53 + 1, 2**53]),
    ],
)
def test_large_integers_have_the_mean_that_they_have(
    manager: InfluxManager, store: Store, kind: str, values: list[int]
) -> None:
    """Where the server's own sum of them overflows, too; alone, and beside others."""
    mean = float(Fraction(sum(values), len(values)))

    assert mean == window(manager, store, kind, values, "mean")["v"]
    row = window(manager, store, kind, values, ["mean", "median", "mode", "min", "max", "first", "last"])
    assert mean == row["v_mean"]
    assert exact(values, "median") == row["v_median"]
    for name in ("mode", "min", "max", "first", "last"):
        assert exact(values, name) == window(manager, store, kind, values, name)["v"]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("integer", [2**63 - 1, 1]),
        ("integer", [-(2**63), -1]),
        ("unsigned", [2**64 - 1, 1]),
        ("integer", [T0] * 10),
    ],
)
@pytest.mark.parametrize("functions", ["sum", ["sum", "max"], {"v": "sum"}], ids=str)
def test_a_sum_beyond_64_bits_is_an_error(
    manager: InfluxManager, store: Store, kind: str, values: list[int], functions: Any
) -> None:
    """It names the argument, the function and the field, and says what to do."""
    with pytest.raises(
        InvalidArgumentError, match=r"`agg_func`: .*v.*the sum of .*64 bits\. Use 'mean'"
    ) as caught:
        window(manager, store, kind, values, functions)
    assert "agg_func" == caught.value.argument


@pytest.mark.parametrize("functions", ["spread", ["spread", "max"]], ids=str)
def test_a_spread_beyond_64_bits_is_an_error(manager: InfluxManager, store: Store, functions: Any) -> None:
    """It names the argument, the function and the field, and says what to do."""
    with pytest.raises(
        InvalidArgumentError, match=r"`agg_func`: .*v.*the spread of .*64 bits\. Use.*'min' and 'max'"
    ) as caught:
        window(manager, store, "integer", [2**63 - 1, -1], functions)
    assert "agg_func" == caught.value.argument


def test_sums_and_spreads_up_to_64_bits_are_exact(manager: InfluxManager, store: Store) -> None:
    """The largest that fit, though what is between would overflow."""
    assert 2**63 - 1 == window(manager, store, "integer", [2**63 - 1, 5, -5], "sum")["v"]
    assert -(2**63) == window(manager, store, "integer", [-(2**63), 2**62, -(2**62)], "sum")["v"]
    assert 2**64 - 1 == window(manager, store, "unsigned", [2**63, 2**63 - 1], "sum")["v"]
    assert 2**63 - 1 == window(manager, store, "integer", [2**62, -(2**62) + 1], "spread")["v"]
    assert 2**64 - 1 == window(manager, store, "unsigned", [2**64 - 1, 0], "spread")["v"]


# --- The mean of the last seconds ---------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("integer", [200_000_000_000_000_000] * 60),
        ("integer", [T0] * 10),
        ("integer", [-(2**63)] * 4),
        ("unsigned", [2**64 - 1] * 4),
        ("integer", [1, 2]),
        ("float", [0.5, 1.0]),
    ],
)
def test_the_average_of_large_integers(
    manager: InfluxManager, store: Store, msname: str, kind: str, values: list[int]
) -> None:
    """It is the mean that they have, of each series and beside other fields, at the newest time."""
    now = time.time_ns()
    for meter in "ab":
        store.write(
            *(
                f"{msname},meter={meter} v={SPELLED[kind](value)},w={place} {now - (place + 1) * 1_000_000}"
                for place, value in enumerate(values)
            )
        )

    frame = manager.read_average_value_in_seconds(store.name, msname, ["v", "w"], 3_600)

    assert ["a", "b"] == frame.index.get_level_values("meter").tolist()
    assert [now - 1_000_000] * 2 == frame.index.get_level_values("time").astype("int64").tolist()
    assert [float(Fraction(sum(map(Fraction, values)), len(values)))] * 2 == pytest.approx(
        frame["v"].tolist(), rel=1e-14
    )
    assert [(len(values) - 1) / 2] * 2 == frame["w"].tolist()


def test_the_average_of_text_is_refused(manager: InfluxManager, store: Store, msname: str) -> None:
    """The error names the argument, the field and its type."""
    store.write(f'{msname} v="on" {time.time_ns() - 1}')

    with pytest.raises(
        InvalidArgumentError, match=f"`fields`: 'mean' needs numbers, and field 'v' of '{msname}'"
    ) as caught:
        manager.read_average_value_in_seconds(store.name, msname, "v", 60)
    assert "fields" == caught.value.argument
