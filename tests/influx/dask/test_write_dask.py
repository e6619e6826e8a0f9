"""`write_dask`: what is in a Dask DataFrame is stored, once, however often it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.dataframe as dd
import pandas as pd
import pytest

from db_core.errors import InvalidArgumentError, WriteError
from db_influx.dask import read_dask, write_dask
from tests.influx.dask.conftest import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import AsyncInfluxManager, InfluxManager
    from tests.influx.conftest import Store
    from tests.influx.dask.conftest import Meters

HOUR = 3_600_000_000_000
T0 = pd.Timestamp("2026-01-01", tz="UTC")


def hours(**columns: Any) -> pd.DataFrame:
    """Return a frame of a row an hour from T0."""
    count = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range(T0, periods=count, freq="h", unit="ns", name="time"))


def stored(store: Store, msname: str) -> list[tuple[int, dict[str, str], str, object]]:
    """Return hour, tags, field and value of what is stored."""
    return [((one.time - T0.value) // HOUR, one.tags, one.field, one.value) for one in store.points(msname)]


def test_what_is_read_is_written_as_it_was(
    manager: InfluxManager, store: Store, meters: Meters, msname: str
) -> None:
    """Types, nulls, tags and nanoseconds; and written again it is the same."""
    frame = read_dask(manager, **meters.range, fields=FIELDS, every="1d")
    expected = [point._replace(measurement=msname) for point in store.points(meters.name)]

    assert len(meters.frame) == write_dask(frame, manager, meters.bucket, msname, tag_columns=["meter"])
    assert expected == store.points(msname)
    assert len(meters.frame) == write_dask(frame, manager, meters.bucket, msname, tag_columns=["meter"])
    assert expected == store.points(msname)


def test_nothing_is_written_before_it_is_computed(manager: InfluxManager, store: Store, msname: str) -> None:
    """With `compute=False` the caller has a scalar, and each computation writes."""
    frame = dd.from_pandas(hours(v=[1.0, 2.0, 3.0]), npartitions=2)

    lazy = write_dask(frame, manager, store.name, msname, {"site": "x"}, compute=False)

    assert [] == store.points(msname)
    assert 3 == lazy.compute() == lazy.compute()
    expected = [(hour, {"site": "x"}, "v", hour + 1.0) for hour in range(3)]
    assert expected == stored(store, msname)


def test_times_may_be_a_column(manager: InfluxManager, store: Store, msname: str) -> None:
    """Then row numbers in the index of a partition are left out, and categories are tags where named."""
    plain = hours(v=[1.0, 2.0, 3.0], meter=["a", "b", "a"]).reset_index().astype({"meter": "category"})
    frame = dd.from_pandas(plain, npartitions=3)

    write_dask(frame, manager, store.name, msname, time_column="time", tag_columns=["meter"])

    expected = [(hour, {"meter": meter}, "v", hour + 1.0) for hour, meter in enumerate("aba")]
    assert expected == stored(store, msname)


def test_a_partition_may_be_empty(manager: InfluxManager, store: Store, msname: str) -> None:
    """What a filter leaves is written."""
    frame = dd.from_pandas(hours(v=[1.0, 2.0, 3.0, 4.0]), npartitions=4)

    assert 1 == write_dask(frame[frame["v"] > 3], manager, store.name, msname)
    assert [(3, {}, "v", 4.0)] == stored(store, msname)


def test_a_refused_point_is_an_error_of_the_caller(manager: InfluxManager, store: Store, msname: str) -> None:
    """The error of `synchronous_write`, with the rows of the partition that were refused."""
    store.write(f"{msname},meter=z v=1 {T0.value}")
    frame = dd.from_pandas(hours(v=[1, 2, 3, 4]), npartitions=2)

    with pytest.raises(WriteError, match=r"2 of 2 points were refused: .*field type conflict") as caught:
        write_dask(frame, manager, store.name, msname)

    assert 0 == caught.value.accepted
    assert (0, 2) == (caught.value.rejected[0].start, caught.value.rejected[0].stop)
    assert caught.value.frame["v"].to_list() in ([1, 2], [3, 4])


@pytest.mark.parametrize(
    ("frame", "options", "argument"),
    [
        (hours(v=[1.0, float("inf")]), {}, "data"),
        (hours(v=[1.0, 2.0]).reset_index(drop=True), {}, "data"),
        (hours(v=[1.0, 2.0]), {"time_column": "when"}, "time_column"),
        (pd.concat([hours(v=[1.0]), hours(v=[2.0])]), {}, "data"),
    ],
    ids=["infinite", "no times", "unknown column", "duplicates"],
)
def test_what_cannot_be_written_is_an_error_of_the_caller(
    manager: InfluxManager, store: Store, msname: str, frame: pd.DataFrame, options: Any, argument: str
) -> None:
    """The error of `synchronous_write`; nothing of that partition is sent."""
    divided = dd.from_pandas(frame, npartitions=1)

    with pytest.raises(InvalidArgumentError) as caught:
        write_dask(divided, manager, store.name, msname, **options)

    assert argument == caught.value.argument
    assert [] == store.points(msname)


def test_the_last_of_duplicates_is_written_where_asked(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """`duplicates` goes to each partition."""
    frame = dd.from_pandas(pd.concat([hours(v=[1.0]), hours(v=[2.0])]), npartitions=1, sort=False)

    write_dask(frame, manager, store.name, msname, duplicates="last")

    assert [(0, {}, "v", 2.0)] == stored(store, msname)


def test_unusable_arguments_are_named_before_anything_is_computed(
    nowhere: InfluxManager, make_async: Callable[..., AsyncInfluxManager]
) -> None:
    """Nothing listens where the manager would write."""
    frame: Any = dd.from_pandas(hours(v=[1.0]), npartitions=1)
    usable: dict[str, Any] = {"ddf": frame, "manager": nowhere, "bucket": "b", "measurement": "m"}
    unusable: list[tuple[str, Any]] = [
        ("ddf", hours(v=[1.0])),
        ("manager", make_async()),
        ("bucket", ""),
        ("measurement", None),
        ("connect", "later"),
        ("compute", 1),
    ]

    for argument, value in unusable:
        with pytest.raises(InvalidArgumentError, match=f"`{argument}` must") as caught:
            write_dask(**{**usable, "compute": False, argument: value})
        assert argument == caught.value.argument
