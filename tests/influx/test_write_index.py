"""What becomes of the index of a pandas frame that is written with a `time_column`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
TIMES = pd.DatetimeIndex([T0, T0])
OTHER = pd.DatetimeIndex([T0 + 1, T0 + 2])


def frame(index: Any, names: Any = None) -> pd.DataFrame:
    """Give two rows of one time, with this index; a list of several levels is a MultiIndex."""
    made = pd.MultiIndex.from_arrays(index) if isinstance(index, list) else pd.Index(index)
    made = made.set_names(names) if names is not None else made
    return pd.DataFrame({"at": TIMES, "v": [1, 2]}).set_axis(made)


def categories(*values: Any) -> Any:
    """Give an index of categories."""
    return pd.CategoricalIndex(values)


def objects(*values: Any) -> Any:
    """Give an index of Python objects."""
    return pd.Index(values, dtype=object)


METERS: list[dict[str, str]] = [{"meter": "a"}, {"meter": "b"}]

TAGS: dict[str, tuple[pd.DataFrame, list[dict[str, str]]]] = {
    "strings": (frame(pd.Index(["a", "b"]), "meter"), METERS),
    "objects": (frame(objects("a", "b"), "meter"), METERS),
    "objects and None": (frame(objects("a", None), "meter"), [{}, {"meter": "a"}]),
    "pandas' older strings": (frame(pd.Index(["a", "b"], dtype="string"), "meter"), METERS),
    "Arrow's strings": (frame(pd.Index(["a", "b"], dtype=pd.ArrowDtype(pa.string())), "meter"), METERS),
    "categories": (frame(categories("a", "b"), "meter"), METERS),
    "two levels of strings": (
        frame([["n", "s"], ["a", "b"]], ["site", "meter"]),
        [{"meter": "a", "site": "n"}, {"meter": "b", "site": "s"}],
    ),
    "strings and categories": (
        frame([["n", "s"], categories("a", None)], ["site", "meter"]),
        [{"meter": "a", "site": "n"}, {"site": "s"}],
    ),
    "strings before row numbers, as groupby leaves them": (
        frame([["a", "b"], [7, 9]], ["meter", None]),
        METERS,
    ),
    "strings before a named time": (frame([["a", "b"], TIMES], ["meter", "at"]).drop(columns="at"), METERS),
}


@pytest.mark.parametrize("name", TAGS)
def test_index_levels_of_strings_are_tags(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """Two meters of one time stay two points, each with its tags, and nothing but `v` is a field."""
    data, expected = TAGS[name]

    manager.synchronous_write(store.name, data, msname, time_column="at")

    found = store.points(msname)
    assert expected == sorted((point.tags for point in found), key=sorted)
    assert {("v", 1), ("v", 2)} == {(point.field, point.value) for point in found}
    assert {T0} == {point.time for point in found}


NUMBERS: dict[str, Any] = {
    "a range": pd.RangeIndex(2),
    "a range with a step": pd.RangeIndex(5, 9, 2),
    "integers": pd.Index([4, 1]),
    "unsigned integers": pd.Index([4, 1], dtype="uint8"),
    "integers that may be null": pd.Index([4, 1], dtype="Int64"),
    "Arrow's integers": pd.Index([4, 1], dtype="int64[pyarrow]"),
    "integers as objects": objects(4, 1),
    "nulls": objects(None, None),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_an_index_of_row_numbers_is_left_out(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """Integers without a name are no tag and no field."""
    data = frame(NUMBERS[name]).assign(at=OTHER)

    manager.synchronous_write(store.name, data, msname, time_column="at")

    expected = [(msname, {}, "v", "long", value, T0 + value) for value in (1, 2)]
    assert expected == store.points(msname)


def test_a_level_that_tag_columns_names_is_a_tag(manager: InfluxManager, store: Store, msname: str) -> None:
    """Whatever type a tag may have; a level of strings may be named as well."""
    data = frame([[7, 9], ["a", "b"]], ["id", "meter"])

    manager.synchronous_write(store.name, data, msname, time_column="at", tag_columns=["meter", "id"])

    expected = [{"id": "7", "meter": "a"}, {"id": "9", "meter": "b"}]
    assert expected == [point.tags for point in store.points(msname)]


def test_a_level_that_time_column_names_is_the_time(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """As pandas itself takes the names of index levels for those of columns."""
    data = pd.DataFrame({"v": [1, 2]}, index=OTHER.set_names("when"))

    manager.synchronous_write(store.name, data, msname, time_column="when")

    assert [T0 + 1, T0 + 2] == [point.time for point in store.points(msname)]


NO_NAME = "has no name"
ONLY_STRINGS = "only levels of strings are tags by themselves"

REFUSED: dict[str, tuple[pd.DataFrame, str, str]] = {
    "a range with a name": (frame(pd.RangeIndex(2), "id"), "data", f"level 'id' holds int64.*{ONLY_STRINGS}"),
    "integers with a name": (frame(pd.Index([3, 4]), "id"), "data", ONLY_STRINGS),
    "strings without a name": (frame(pd.Index(["a", "b"])), "data", f"level 0 holds strings and {NO_NAME}"),
    "strings and row numbers without names": (frame([["a", "b"], [0, 1]]), "data", f"level 0.*{NO_NAME}"),
    "integers without a name before strings": (
        frame([[17, 18], ["a", "b"]], [None, "meter"]),
        "data",
        f"level 0 holds int64.*{NO_NAME}",
    ),
    "two levels of integers": (frame([[17, 18], [0, 1]]), "data", f"level 0 holds int64.*{NO_NAME}"),
    "categories without a name": (frame(categories("a", "b")), "data", NO_NAME),
    "categories of integers": (frame(categories(1, 2)), "data", f"category.*{NO_NAME}"),
    "categories of integers with a name": (frame(categories(1, 2), "id"), "data", ONLY_STRINGS),
    "floats": (frame(pd.Index([0.5, 1.5])), "data", f"float64.*{NO_NAME}"),
    "booleans": (frame(pd.Index([True, False]), "on"), "data", ONLY_STRINGS),
    "booleans without a name": (frame(pd.Index([True, False])), "data", NO_NAME),
    "dates": (frame(objects(date(2026, 1, 1), date(2026, 1, 2)), "day"), "data", ONLY_STRINGS),
    "integers and strings": (frame(objects(1, "a"), "id"), "data", ONLY_STRINGS),
    "periods": (frame(pd.period_range("2026", periods=2, freq="M")), "data", NO_NAME),
    "durations": (frame(pd.to_timedelta([1, 2]), "age"), "data", ONLY_STRINGS),
    "intervals": (frame(pd.interval_range(0, 2)), "data", NO_NAME),
    "times": (frame(OTHER), "time_column", "'at', and index level 0 of `data` holds times too"),
    "times with a name": (
        frame(OTHER, "seen"),
        "time_column",
        "index level 'seen' of `data` holds times too",
    ),
    "times with the column's name": (frame(OTHER, "at"), "time_column", "holds times too"),
    "times behind strings": (frame([["a", "b"], OTHER], ["meter", None]), "time_column", "holds times too"),
    "strings with a column's name": (
        frame(pd.Index(["a", "b"]), "v"),
        "data",
        '"v": two columns have this name',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_any_other_index_is_refused_before_anything_is_sent(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """The error names the level and says what to do with it."""
    data, argument, words = REFUSED[name]

    with pytest.raises(InvalidArgumentError, match=words) as caught:
        manager.synchronous_write(store.name, data, msname, time_column="at")

    assert argument == caught.value.argument
    assert [] == store.points(msname)


@pytest.mark.parametrize(
    "data",
    [
        frame(pd.Index([4, 1])).iloc[:0],
        frame(pd.Index(["a", "b"]), "meter").iloc[:0],
        pd.DataFrame({"at": pd.DatetimeIndex([]), "v": np.array([], "int64")}, index=pd.Index([])),
        pd.DataFrame({"at": pd.DatetimeIndex([]), "v": np.array([], "int64")}, index=categories()),
    ],
    ids=["integers", "strings", "objects", "categories"],
)
def test_an_empty_frame_needs_no_other_index(
    manager: InfluxManager, store: Store, msname: str, data: pd.DataFrame
) -> None:
    """What has no rows has no types; nothing is stored."""
    manager.synchronous_write(store.name, data, msname, time_column="at")

    assert [] == store.points(msname)


class Readings(pd.DataFrame):
    """A frame of somebody's own class."""


def test_a_class_derived_from_a_data_frame_is_one(manager: InfluxManager, store: Store, msname: str) -> None:
    """Its index is treated as any DataFrame's."""
    manager.synchronous_write(store.name, Readings({"v": [1, 2]}, index=OTHER), msname)
    with pytest.raises(InvalidArgumentError, match=NO_NAME):
        manager.synchronous_write(store.name, Readings(frame(pd.Index(["a", "b"]))), msname, time_column="at")

    assert [T0 + 1, T0 + 2] == [point.time for point in store.points(msname)]


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        (OTHER.set_names("when"), {"when": [1, 2], "v": [1, 2]}),
        (pd.MultiIndex.from_arrays([["a", "b"], OTHER], names=["v", None]), {"v": [1, 2]}),
    ],
    ids=["time", "tag"],
)
def test_a_column_and_an_index_level_of_one_name_are_refused(
    manager: InfluxManager, store: Store, msname: str, index: Any, columns: dict[str, Any]
) -> None:
    """Without a `time_column` too: which of the two is meant, nobody can tell."""
    with pytest.raises(InvalidArgumentError, match=r'"(when|v)": two columns have this name'):
        manager.synchronous_write(store.name, pd.DataFrame(columns, index=index), msname)

    assert [] == store.points(msname)
