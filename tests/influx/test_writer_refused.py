"""Points of the buffered writer that a real InfluxDB refuses: who is told, and that they block no other."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import InvalidArgumentError, WriteError
from tests.influx.answers import NO_CONTENT, http
from tests.influx.frames import SECOND, T0
from tests.influx.writers import NEVER, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core import UnwrittenPoint
    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer

WRONG = [0, 3, 4, 40, 99]


def write_wrong_ones(writer: Any, store: Store, msname: str) -> None:
    """Write a hundred points, some of which have a text where the server has a float."""
    store.write(f"{msname} v=0.5 {T0 - SECOND}")
    for second in range(100):
        value: object = "a\nb" if second in WRONG else second / 2
        writer.write({"v": value, "time": T0 + second * SECOND})


def lines(msname: str) -> list[str]:
    """Return the lines that the server refuses."""
    return [f'{msname} v="a\nb" {T0 + second * SECOND}' for second in WRONG]


def accepted() -> dict[int, object]:
    """Return what is stored of the others."""
    return {-1: 0.5} | {second: second / 2 for second in range(100) if second not in WRONG}


def test_refused_points_are_handed_to_the_callback(either: Any, store: Store, msname: str) -> None:
    """Each with its line and the server's reason, and all others are stored; `flush` has nothing to say."""
    told: list[UnwrittenPoint] = []
    with either.writer(store.name, msname, on_refused=told.append, max_rows=30) as writer:
        write_wrong_ones(writer, store, msname)
        writer.flush()
        assert accepted() == stored(store, msname)
    assert lines(msname) == [one.line for one in told]
    assert all("field type conflict" in one.reason and '"v"' in one.reason for one in told)


def test_without_a_callback_the_next_flush_has_the_refused_points(
    either: Any, store: Store, msname: str
) -> None:
    """Once, and after all others are written."""
    with either.writer(store.name, msname, **NEVER) as writer:
        write_wrong_ones(writer, store, msname)
        with pytest.raises(WriteError, match=r"^5 points were refused: .*field type conflict") as caught:
            writer.flush()
        assert lines(msname) == [one.line for one in caught.value.points]
        assert accepted() == stored(store, msname)
        writer.flush()
        writer.write({"v": "x", "time": T0})
        with pytest.raises(WriteError, match=r"^1 points were refused"):
            writer.close()


def test_a_callback_that_fails_is_told_by_flush(either: Any, store: Store, msname: str) -> None:
    """With the points that it did not take; the others of them are handed to it all the same."""
    told: list[UnwrittenPoint] = []

    def take(one: UnwrittenPoint) -> None:
        if len(told) == 2:
            told.append(one)
            raise LookupError("no place for it")
        told.append(one)

    with either.writer(store.name, msname, on_refused=take, **NEVER) as writer:
        write_wrong_ones(writer, store, msname)
        with pytest.raises(WriteError) as caught:
            writer.flush()
    assert lines(msname) == [one.line for one in told]
    assert lines(msname)[2:3] == [one.line for one in caught.value.points]
    assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize("use", ["flush", "close"])
def test_a_callback_can_not_wait_for_the_writer(
    manager: InfluxManager, store: Store, msname: str, use: str
) -> None:
    """It would wait for itself; that is an error of the callback."""
    with manager.writer(store.name, msname, on_refused=lambda _: getattr(writer, use)(), **NEVER) as writer:
        write_wrong_ones(writer, store, msname)
        with pytest.raises(WriteError) as caught:
            writer.flush()
    assert "can't wait for the writer" in str(caught.value.__cause__)


def test_a_callback_that_exits_is_told_by_flush(either: Any, store: Store, msname: str) -> None:
    """It ends neither the thread that sends nor the loop."""
    with either.writer(store.name, msname, on_refused=lambda _: sys.exit(3), **NEVER) as writer:
        write_wrong_ones(writer, store, msname)
        with pytest.raises(WriteError) as caught:
            writer.flush()
        assert lines(msname) == [one.line for one in caught.value.points]
        assert isinstance(caught.value.__cause__, SystemExit)
    assert accepted() == stored(store, msname)


def test_a_callback_that_returns_a_coroutine_is_told_by_flush(either: Any, store: Store, msname: str) -> None:
    """Nothing awaits it, so it took no point."""
    with either.writer(store.name, msname, on_refused=lambda _: asyncio.sleep(0), **NEVER) as writer:
        write_wrong_ones(writer, store, msname)
        with pytest.raises(WriteError) as caught:
            writer.flush()
        assert lines(msname) == [one.line for one in caught.value.points]
    assert "must not be async" in str(caught.value.__cause__)


def test_any_number_of_lines_that_are_no_line_protocol_holds_up_no_other(
    either: Any, store: Store, msname: str
) -> None:
    """More than one answer of the server names; texts with line feeds and quotes among them."""
    numbers = range(6_000)
    wrong = [f"{msname} v=x,s=\"'\n'\" {T0 + n * SECOND}" for n in numbers if n % 3 == 0]
    right = [f"{msname} v={n}i {T0 + n * SECOND}" for n in numbers if n % 3]
    told: list[UnwrittenPoint] = []
    with either.writer(store.name, msname, on_refused=told.append, **NEVER) as writer:
        for three in zip(wrong, right[::2], right[1::2], strict=True):
            writer.write("\n".join(three))
    assert wrong == [one.line for one in told]
    assert {f"unable to parse '{line}': invalid boolean" for line in wrong} == {one.reason for one in told}
    assert {n: n for n in numbers if n % 3} == stored(store, msname)


def test_a_batch_that_is_too_long_is_sent_in_parts(
    peer: Callable[..., Peer], make_either: Callable[..., Any]
) -> None:
    """A proxy may refuse bodies that `max_bytes` allows; only a line that it refuses alone is told."""
    too_long = http(b"", status="413 Request Entity Too Large")
    one = peer(too_long, NO_CONTENT, too_long, too_long, NO_CONTENT)
    told: list[UnwrittenPoint] = []
    with make_either(url=one.url, retries=0, gzip=False).writer(
        "b", "m", on_refused=told.append, **NEVER
    ) as writer:
        for second in range(4):
            writer.write({"v": second, "time": second})
    batch = [f"m v={second}i {second}" for second in range(4)]
    sent = [request.partition(b"\r\n\r\n")[2].decode().splitlines() for request in one.requests]
    assert [batch, batch[:2], batch[2:], batch[2:3], batch[3:]] == sent
    assert batch[2:3] == [point.line for point in told]


def test_a_line_that_is_no_line_protocol_is_refused_alone(either: Any, store: Store, msname: str) -> None:
    """The server refuses the whole batch for it, which is sent again in parts."""
    with either.writer(store.name, msname, **NEVER) as writer:
        for second in range(20):
            value = "1.5x" if second in (0, 7, 8, 19) else second
            writer.write(f"{msname} v={value} {T0 + second * SECOND}")
        with pytest.raises(WriteError, match=r"^4 points were refused: unable to parse") as caught:
            writer.flush()
    wrong = [f"{msname} v=1.5x {T0 + second * SECOND}" for second in (0, 7, 8, 19)]
    assert wrong == [one.line for one in caught.value.points]
    assert {n: n for n in range(20) if n not in (0, 7, 8, 19)} == stored(store, msname)


def test_refused_points_that_nobody_is_told_of_are_bounded(either: Any, store: Store, msname: str) -> None:
    """They count as what waits: `write` raises the error about them once they fill the buffer."""
    store.write(f"{msname} v=0.5 {T0 - SECOND}")
    taken: list[int] = []
    with either.writer(store.name, msname, max_rows=10, max_buffer=2_000) as writer:

        def write_all() -> None:
            for second in range(10_000):
                writer.write({"v": "x", "time": T0 + second * SECOND})
                taken.append(second)

        with pytest.raises(WriteError, match="points were refused") as caught:
            write_all()
        writer.write({"v": 1.5, "time": T0})
        writer.flush()
        assert len(taken) == len(caught.value.points)
    assert {-1: 0.5, 0: 1.5} == stored(store, msname)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("bucket", ""),
        ("bucket", "0123456789abcdef"),
        ("measurement", ""),
        ("measurement", "#m"),
        ("tags", {"time": "x"}),
        ("tags", ["a"]),
        ("tag_columns", {"a": "b"}),
        ("time_column", ""),
        ("max_rows", 0),
        ("max_seconds", 0),
        ("max_bytes", 1.5),
        ("max_buffer", True),
        ("spool", 5),
        ("spool", ""),
        ("on_refused", "print"),
        ("on_refused", asyncio.sleep),
        ("timeout", 0),
    ],
)
def test_an_unusable_argument_is_named(
    make_manager: Callable[..., Any], argument: str, value: object
) -> None:
    """Before a writer is made."""
    with pytest.raises(InvalidArgumentError, match=f"^`{argument}`") as caught:
        make_manager().writer(**{"bucket": "b", argument: value})
    assert argument == caught.value.argument
