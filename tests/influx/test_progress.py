"""The progress of calls: what is counted, in which thread it is told, and what an error in it does."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import IncompleteResultError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from db_influx import AsyncInfluxManager, InfluxManager, Progress
    from tests.influx.conftest import Store

DAYS = 4
SPAN = ("2026-01-01", "2026-01-05")
ROWS = 1_000  # of each day
FRAME = pd.DataFrame(
    {"v": [n / 8 for n in range(DAYS * ROWS)]},
    pd.DatetimeIndex(
        [
            pd.Timestamp(SPAN[0], tz="UTC") + pd.Timedelta(days=day, seconds=second)
            for day in range(DAYS)
            for second in range(ROWS)
        ]
    ),
)


class Told:
    """Keeps what a call told, and in which threads."""

    def __init__(self) -> None:
        self.all: list[Progress] = []
        self.threads: set[int] = set()

    def __call__(self, progress: Progress) -> None:
        """Take how far the call is."""
        self.all.append(progress)
        self.threads.add(threading.get_ident())

    @property
    def last(self) -> Progress:
        """How far it was in the end."""
        return self.all[-1]

    def counts(self, name: str) -> list[Any]:
        """Give one attribute of all."""
        return [getattr(one, name) for one in self.all]


@pytest.fixture
def told() -> Told:
    """Give what keeps the progress of a call."""
    return Told()


@pytest.fixture(scope="module")
def days(store: Store) -> Store:
    """Give a bucket with a thousand points on each of four days."""
    nanoseconds = FRAME.index.as_unit("ns").astype("int64")
    store.write(*(f"m v={value} {time}" for value, time in zip(FRAME["v"], nanoseconds, strict=True)))
    return store


def assert_goes_on(told: Told) -> None:
    """What is done never becomes less, nor more than there is; and it ends with all."""
    for name in ("bytes", "rows", "slices"):
        assert sorted(told.counts(name)) == told.counts(name)
    shares = told.counts("share")
    assert sorted(shares) == shares
    assert (0.0, 1.0) == (shares[0], shares[-1])


def test_a_read_counts_its_slices(manager: InfluxManager, days: Store, told: Told) -> None:
    """Four slices of a thousand rows each, told in the thread of the call, though others fetch them."""
    frame = manager.read(*SPAN, "m", "v", days.name, interval=None, progress=told)

    assert DAYS * ROWS == len(frame)
    assert (DAYS, DAYS, DAYS * ROWS) == (told.last.slices, told.last.of_slices, told.last.rows)
    assert [0.0, 0.25, 0.5, 0.75, 1.0] == sorted(set(told.counts("share")))
    assert told.last.bytes > DAYS * ROWS * len("2026-01-01T00:00:00Z")
    assert {threading.get_ident()} == told.threads
    assert_goes_on(told)


def test_every_long_read_tells_its_progress(manager: InfluxManager, days: Store) -> None:
    """All of them begin with nothing, and end with all that there is."""
    calls: list[Callable[[Told], Any]] = [
        lambda told: manager.read(*SPAN, "m", "v", days.name, progress=told),
        lambda told: manager.read(*SPAN, "m", "v", days.name, agg_func="median", progress=told),
        lambda told: manager.read_all_fields(*SPAN, "m", days.name, progress=told),
        lambda told: manager.read_accumulated_value(*SPAN, "m", "v", days.name, 60, progress=told),
        lambda told: manager.read_accumulated_value(
            *SPAN, "m", "v", days.name, 60, on_reset="restart", max_rate=1e-9, progress=told
        ),
        lambda told: manager.read_accumulated_value_in_seconds(
            *SPAN, "m", "v", days.name, 3_600, progress=told
        ),
        lambda told: manager.query(f'from(bucket: "{days.name}") |> range(start: 0)', progress=told),
        lambda told: manager.query_influxql("SELECT v FROM m", bucket=days.name, progress=told),
    ]
    for call in calls:
        told = Told()
        call(told)

        assert told.last.slices == told.last.of_slices
        assert (0.0, 1.0) == (told.all[0].share, told.last.share)
        assert None not in told.counts("share")
        assert told.last.bytes > 0


def test_batches_tell_the_time_that_is_read(manager: InfluxManager, days: Store, told: Told) -> None:
    """How many slices there will be is not known, but which part of the range is done."""
    frames = list(manager.read_batches(*SPAN, "m", "v", days.name, batch_rows=500, progress=told))

    assert DAYS * ROWS == sum(map(len, frames)) == told.last.rows
    assert {None} == set(told.counts("of_slices"))
    assert_goes_on(told)


def test_batches_of_a_query_tell_rows_and_bytes(manager: InfluxManager, days: Store, told: Told) -> None:
    """Of a stream nothing else is known."""
    flux = f'from(bucket: "{days.name}") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-05T00:00:00Z)'
    rows = sum(map(len, manager.query_batches(flux, batch_rows=500, progress=told)))

    assert DAYS * ROWS == rows == told.last.rows
    assert told.last.bytes > DAYS * ROWS
    assert {None} == set(told.counts("share"))

    statements = Told()
    list(manager.query_influxql_batches("SELECT v FROM m", bucket=days.name, progress=statements))
    assert {None} == set(statements.counts("share"))


@pytest.mark.parametrize("protocol", ["auto", "influxql", "flux"])
def test_a_bar_never_meets_a_share_that_is_none(
    manager: InfluxManager, days: Store, own_store: Store, tmp_path: Path, protocol: Any
) -> None:
    """Nor in a read that finds nothing, nor in a snapshot: it can subtract from the first call on."""
    bars: list[float] = []

    def bar(progress: Progress) -> None:
        assert progress.share is not None
        bars.append(progress.share)

    options: dict[str, Any] = {"protocol": protocol, "progress": bar}
    for bucket, missing in ((days.name, "raise"), (own_store.name, "ignore")):
        options["missing"] = missing
        manager.read(*SPAN, "m", "v", bucket, interval=None, **options)
        manager.read_all_fields(*SPAN, "m", bucket, **options)
        list(manager.read_batches(*SPAN, "m", "v", bucket, **options))
        manager.write_parquet(tmp_path, *SPAN, "m", "v", bucket, **options)
    with manager.snapshot(days.name, *SPAN, progress=bar):
        pass

    assert {0.0, 1.0} <= set(bars)


def test_a_write_counts_rows_of_all(manager: InfluxManager, own_store: Store, told: Told) -> None:
    """Its bodies of some 4 MiB are its slices."""
    text = "x" * 2_000
    manager.synchronous_write(own_store.name, FRAME.assign(t=text), "m", progress=told)

    assert (DAYS * ROWS, DAYS * ROWS) == (told.last.rows, told.last.of_rows)
    assert told.last.bytes > DAYS * ROWS * len(text)
    assert told.last.slices == 2
    assert_goes_on(told)


def test_a_copy_counts_what_is_written(
    manager: InfluxManager, days: Store, make_store: Callable[[str], Store], told: Told
) -> None:
    """The bytes are those that were read and those that were written."""
    target = make_store("progress")
    manager.copy(days.name, target.name, start=SPAN[0], stop=SPAN[1], progress=told)

    assert DAYS * ROWS == told.last.rows == len(target.points())
    assert_goes_on(told)


def test_parquet_counts_the_rows_of_files(
    manager: InfluxManager, days: Store, tmp_path: Path, told: Told
) -> None:
    """Over all files."""
    files = manager.write_parquet(tmp_path, "2025-12-15", SPAN[1], "m", "v", days.name, progress=told)

    assert [DAYS * ROWS] == [file.rows for file in files]
    assert DAYS * ROWS == told.last.rows
    assert_goes_on(told)


def test_asyncio_is_told_in_the_loop(
    make_async: Callable[..., AsyncInfluxManager], days: Store, own_store: Store, told: Told
) -> None:
    """Reads, batches and writes."""

    async def main() -> int:
        async with make_async() as manager:
            frame = await manager.read(*SPAN, "m", "v", days.name, interval=None, progress=told)
            assert told.last.slices == DAYS
            rows = 0
            batches = manager.read_batches(*SPAN, "m", "v", days.name, batch_rows=500, progress=told)
            async for batch in batches:
                rows += len(batch)
            assert rows == told.last.rows
            await manager.synchronous_write(own_store.name, FRAME, "m", progress=told)
            return len(frame)

    assert DAYS * ROWS == asyncio.run(main())
    assert {threading.get_ident()} == told.threads
    assert DAYS * ROWS == told.last.rows


class Enough(Exception):  # noqa: N818 - no error of the server
    """The caller has had enough."""


ENDS = [Enough("enough"), IncompleteResultError("not the server's"), KeyError("x")]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("error", ENDS, ids=lambda error: type(error).__name__)
def test_an_error_in_it_ends_the_call(
    manager: InfluxManager, days: Store, own_store: Store, error: Exception
) -> None:
    """It is raised as it is: no plan takes it for the server's, and no request is repeated for it."""
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.bytes:
            raise error

    calls: list[Callable[[], Any]] = [
        lambda: manager.read(*SPAN, "m", "v", days.name, interval=None, progress=stop),
        lambda: list(manager.read_batches(*SPAN, "m", "v", days.name, progress=stop)),
        lambda: list(manager.query_batches(f'from(bucket: "{days.name}") |> range(start: 0)', progress=stop)),
        lambda: manager.synchronous_write(own_store.name, FRAME, "m", progress=stop),
        lambda: manager.snapshot(days.name, *SPAN, progress=stop),
    ]
    for call in calls:
        with pytest.raises(type(error)) as raised:
            call()

        assert error is raised.value
        assert 1 == len([progress for progress in seen if progress.bytes])
        seen.clear()
    manager.close()


def test_an_error_in_it_ends_a_call_of_asyncio(
    make_async: Callable[..., AsyncInfluxManager], days: Store
) -> None:
    """Also where several queries are under way."""

    def stop(progress: Progress) -> None:
        if progress.slices:
            raise Enough

    async def main() -> None:
        async with make_async() as manager:
            with pytest.raises(Enough):
                await manager.read(*SPAN, "m", "v", days.name, interval=None, progress=stop)
            assert DAYS * ROWS == len(await manager.read(*SPAN, "m", "v", days.name, interval=None))

    asyncio.run(main())


def test_what_is_no_function_is_refused(nowhere: InfluxManager) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidArgumentError, match="`progress` must be a function, not 5"):
        nowhere.read(*SPAN, "m", "v", "b", progress=5)  # type: ignore[call-overload]
