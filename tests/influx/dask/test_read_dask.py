"""`read_dask`: a Dask DataFrame that equals the read by one process, and knows where its rows are."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import InvalidArgumentError
from db_influx import InfluxManager
from db_influx.dask import read_dask
from tests.influx.dask.conftest import FIELDS, ZONE, assert_same, in_order_of_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import AsyncInfluxManager
    from tests.influx.dask.conftest import Meters, Relay

CUTS: list[dict[str, Any]] = [{"every": "1d"}, {"every": "7h"}, {"rows": 100}, {"rows": 10_000}]


def computed(frame: Any) -> Any:
    """Compute with threads, which a test may do without a cluster."""
    return frame.compute(scheduler="threads")


@pytest.mark.parametrize("cut", CUTS)
def test_points_are_those_that_are_stored(
    manager: InfluxManager, meters: Meters, cut: dict[str, Any]
) -> None:
    """In values, types and order, for days, other lengths and numbers of rows."""
    frame = read_dask(manager, **meters.range, fields=FIELDS, **cut)

    assert_same(meters.frame, computed(frame))
    assert meters.frame.dtypes.drop("meter").to_dict() == frame.dtypes.drop("meter").to_dict()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("label", ["start", "stop"])
@pytest.mark.parametrize("interval", ["1h", "1d"])
def test_windows_are_those_of_one_read(
    manager: InfluxManager, meters: Meters, cut: dict[str, Any], label: Any, interval: str
) -> None:
    """Also across the change of the clock, wherever the read is cut."""
    question: Any = {**meters.range, "fields": ["power", "n"], "interval": interval, "label": label}
    question |= {"agg_func": ["mean", "max"]}
    expected = manager.read(**question, by=["meter"])

    found = computed(read_dask(manager, **question, **cut))

    assert_same(in_order_of_time(expected, n_max="Int64"), found)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("closed", ["left", "right"])
def test_consumption_is_that_of_one_read(
    manager: InfluxManager, meters: Meters, cut: dict[str, Any], closed: Any
) -> None:
    """Totals go on from partition to partition, and fall in some windows."""
    question: Any = {**meters.range, "fields": ["total"], "timestep": 60, "closed": closed}
    question |= {"on_reset": "restart", "quality": True}
    expected = manager.read_accumulated_value(**question, by=["meter"])

    found = computed(read_dask(manager, **question, **cut))

    assert {"ok", "reset"} <= set(found["total_quality"].dropna())
    assert_same(in_order_of_time(expected), found)


def test_categories_that_differ_are_put_together(manager: InfluxManager, meters: Meters) -> None:
    """Categories are not known before, and a meter that only the last day has is in every result."""
    frame = read_dask(manager, **meters.range, fields=FIELDS, every="1d")
    expected = meters.frame.groupby("meter", observed=True)["power"].sum()

    assert not frame["meter"].cat.known
    assert ["A", "B", "C"] == sorted(computed(frame.partitions[0])["meter"].cat.categories)
    found = computed(frame.groupby("meter", observed=True)["power"].sum())
    assert expected.to_dict() == found.to_dict()
    assert ["A", "B", "C", "D"] == sorted(computed(frame["meter"].unique()))


@pytest.mark.parametrize(
    "question", [{}, {"interval": "1h", "label": "stop"}, {"interval": "1h", "label": "start"}]
)
def test_divisions_say_where_rows_are(
    manager: InfluxManager, meters: Meters, question: dict[str, Any]
) -> None:
    """Each row lies in the division of its partition, and only the last division has its end."""
    frame = read_dask(manager, **meters.range, fields=["power"], every="1d", **question)

    assert frame.known_divisions
    assert 4 == frame.npartitions
    assert sorted(set(frame.divisions)) == list(frame.divisions)
    for number, (begin, end) in enumerate(pairwise(frame.divisions)):
        times = computed(frame.partitions[number]).index
        assert begin <= times.min()
        assert times.max() <= end if number == 3 else times.max() < end


@pytest.mark.parametrize(
    "rows",
    [
        slice("2026-03-28 12:00", "2026-03-30 06:00"),
        slice(None, pd.Timestamp("2026-03-28", tz=ZONE)),
        slice(pd.Timestamp("2026-03-30", tz=ZONE), None),
        slice("2026-03-29", "2026-03-29"),
    ],
)
@pytest.mark.parametrize("label", [None, "start", "stop"])
def test_rows_are_chosen_across_the_edges_of_partitions(
    manager: InfluxManager, meters: Meters, rows: Any, label: Any
) -> None:
    """`loc` has the rows that it has in pandas: both ends are included, and a day is a local day."""
    question: Any = {"interval": "30min", "label": label} if label else {}
    frame = read_dask(manager, **meters.range, fields=["power"], every="1d", **question)

    expected = computed(frame).loc[rows]
    expected["meter"] = expected["meter"].cat.remove_unused_categories()
    assert_same(expected, computed(frame.loc[rows]))


def test_rows_that_are_chosen_are_all_that_is_read(relay: Relay, relayed: Any, meters: Meters) -> None:
    """`loc` of a day asks for this day alone."""
    frame = read_dask(relayed, **meters.range, fields=["power"], every="1d", protocol="flux", max_parallel=1)
    relay.queries()

    found = computed(frame.loc["2026-03-28":"2026-03-28"])

    assert 3 * 72 - 3 * 10 == len(found)
    assert 1 == len(relay.queries())


@pytest.mark.parametrize("rule", ["1h", "6h", "2D"])
def test_dask_resamples_across_partitions(manager: InfluxManager, meters: Meters, rule: str) -> None:
    """The sums are those of pandas; in UTC, as Dask takes no change of the clock."""
    frame = read_dask(manager, **{**meters.range, "tz": "UTC"}, fields=["power"], every="9h")
    stored = meters.frame.tz_convert("UTC").dropna(subset="power")
    expected = stored["power"].resample(rule).sum()

    found = computed(frame["power"].resample(rule).sum())

    pd.testing.assert_series_equal(expected, found, check_freq=False)


def test_no_partition_is_read_while_the_graph_is_made(relay: Relay, relayed: Any, meters: Meters) -> None:
    """The graph needs the questions that `partitions` needs, and no more."""
    question: Any = {**meters.range, "fields": FIELDS, "every": "1d"}
    relayed.partitions(**question)
    planned = relay.queries()

    frame = read_dask(relayed, **question)
    repr(frame.loc["2026-03-29":][["power", "meter"]].groupby("meter").mean().optimize())

    assert sorted(planned) == sorted(relay.queries())


@pytest.mark.parametrize("protocol", ["influxql", "flux"])
def test_columns_reach_the_query_where_rows_are_dense(
    relay: Relay, relayed: Any, meters: Meters, protocol: Any
) -> None:
    """The server is asked for the fields that the computation needs."""
    question: Any = {**meters.range, "fields": ["on", "total"], "every": "1d", "protocol": protocol}
    frame = read_dask(relayed, **question, dense=True)
    relay.queries()

    assert meters.frame["total"].sum() == computed(frame["total"].sum())
    queries = relay.queries()
    assert 4 <= len(queries)
    assert all('"total"' in query and '"on"' not in query for query in queries)


def test_columns_do_not_change_the_rows(relay: Relay, relayed: Any, meters: Meters) -> None:
    """Without the promise that rows are dense, all fields are asked for, and decide on the rows."""
    frame = read_dask(relayed, **meters.range, fields=["power", "n"], every="1d")
    expected = meters.frame.dropna(subset=["power", "n"], how="all")
    relay.queries()

    assert_same(expected[["n"]], computed(frame[["n"]]))
    assert all('"power"' in query and '"n"' in query for query in relay.queries())
    assert_same(expected[["n", "meter"]], computed(frame[["n", "meter"]]))
    assert len(expected) == len(frame) == len(frame.index) == len(frame["n"])
    pd.testing.assert_index_equal(expected.index, computed(frame.index), exact=True)


SCRIPT = """
from pandas import Timestamp

from db_influx import InfluxManager
from db_influx.dask import read_dask

question = {question!r}
with InfluxManager(*{settings!r}) as manager:
    frame = read_dask(manager, fields={fields!r}, tags={{"meter": set("ABCD")}}, **question)
print(frame.__dask_keys__()[0][0], frame[["power"]].optimize().__dask_keys__()[0][0])
"""


def test_keys_are_the_same_in_every_process(manager: InfluxManager, meters: Meters, server: Any) -> None:
    """Also where fields and tags are sets, whose order differs; another read has other keys."""
    question: dict[str, Any] = {**meters.range, "every": "1d"}
    fields, tags = {"power", "total", "n"}, {"meter": set("ABCD")}
    settings = server.url, server.org, server.token
    code = SCRIPT.format(question=question, fields=fields, settings=settings)
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    def keys(**other: Any) -> str:
        frame = read_dask(manager, **{**question, "fields": fields, "tags": tags, **other})
        return f"{frame.__dask_keys__()[0][0]} {frame[['power']].optimize().__dask_keys__()[0][0]}\n"

    assert {keys()} == printed
    others: list[dict[str, Any]] = [
        {"fields": ["power"]},
        {"tags": {"meter": ["A"]}},
        {"stop": "2026-03-30"},
        {"every": "2d"},
    ]
    others += [{"tz": "UTC"}, {"dense": True}, {"interval": "1h"}, {"interval": "1h", "label": "start"}]
    assert len(others) + 1 == len({keys(), *(keys(**other) for other in others)})


def connect(url: str, token: str) -> InfluxManager:
    """Return a manager, as on a worker."""
    return InfluxManager(url, "o", token)


def test_a_function_that_connects_is_part_of_the_keys(manager: InfluxManager, meters: Meters) -> None:
    """The same function with the same arguments makes the same keys, and its arguments may be secret."""

    def tokens(connect: Any) -> str:
        made = manager.partitions(**meters.range, fields="power", every="1d", connect=connect)
        return repr([one.__dask_tokenize__() for one in made])

    functions = [
        None,
        connect,
        InfluxManager,
        partial(connect, "u", "a-secret"),
        partial(connect, "v", "a-secret"),
    ]

    assert [tokens(one) for one in functions] == [tokens(one) for one in functions]
    assert tokens(functions[3]) == tokens(partial(connect, "u", "a-secret"))
    assert len(functions) == len(set(map(tokens, functions)))
    assert not any("a-secret" in tokens(one) for one in functions)


def test_what_is_no_manager_is_named(make_async: Callable[..., AsyncInfluxManager], meters: Meters) -> None:
    """An `AsyncInfluxManager` can't divide a read without an event loop."""
    manager: Any = make_async()

    with pytest.raises(InvalidArgumentError, match="`manager` must be an InfluxManager, not AsyncInf"):
        read_dask(manager, **meters.range, fields="power", every="1d")


def test_without_dask_the_extra_is_named() -> None:
    """The package can be imported without Dask, and does not load it; a call says what to install."""
    code = """
import sys
import db_influx
assert "dask" not in sys.modules
sys.modules["dask"] = None
from db_influx.dask import read_dask, write_dask
for call in (lambda: read_dask(*[None] * 6), lambda: write_dask(*[None] * 4)):
    try:
        call()
    except db_influx.dask.MissingLibraryError as error:
        print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert ["pip install 'db-influx[dask]'"] * 2 == [line[-29:] for line in ran.stdout.splitlines()]
