"""What a buffered writer does next, without a server: sending, keeping, pauses, and what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DiskSpaceError,
    UnwrittenPoint,
    WriteError,
)
from db_influx._outbox import Keep, Limits, Outbox, Outcome, Resend, Send
from db_influx._point import PointLayout
from db_influx._spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(max_rows=2, max_seconds=1e6, max_bytes=1 << 20, max_buffer=100)
LAYOUT = PointLayout("m", {}, (), "time")
AWAY = ConnectionFailedError("away")
DONE = Outcome([])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Return an empty spool."""
    return Spool(tmp_path, {"bucket": "b"})


def filled(batches: int, spool: Spool | None = None) -> Outbox:
    """Return an outbox with batches of two points."""
    outbox = Outbox(LAYOUT.encoder(LIMITS), LIMITS, spool)
    for number in range(2 * batches):
        outbox.add({"v": number, "time": number})
    return outbox


def body(batch: int) -> bytes:
    """Return the lines of a batch."""
    return b"".join(f"m v={number}i {number}\n".encode() for number in (2 * batch, 2 * batch + 1))


def test_batches_are_sent_in_order() -> None:
    """The first stays the next job until it is delivered."""
    outbox = filled(2)
    for batch in range(2):
        job = outbox.next()
        assert Send(body(batch), 2) == job == outbox.next()
        assert job is not None
        outbox.delivered(job, DONE)
    assert outbox.next() is outbox.pause() is None
    assert 2 == outbox.settled


def test_pauses_grow_and_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a batch fails; a flush does not wait for them, and a success ends them."""
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    outbox = filled(1)
    longest = []
    for _ in range(2_000):
        outbox.failed(Send(body(0), 2), AWAY)
        longest.append(outbox.pause())
        assert outbox.next() is None
    assert all(pause is not None and pause <= 30 for pause in longest)
    assert [1, 2, 4, 8, 16, 30, 30] == [round(pause or 0) for pause in longest[:7]]
    outbox.hurry()
    assert Send(body(0), 2) == outbox.next()
    outbox.delivered(Send(body(0), 2), DONE)
    assert outbox.error is None
    outbox.add({"v": 1})
    outbox.cut()
    outbox.failed(Send(b"", 0), AWAY)
    assert 1 == round(outbox.pause() or 0)


def test_what_can_not_be_sent_is_kept_and_all_behind_it(spool: Spool) -> None:
    """Until the spool is empty; then batches are sent straight again."""
    outbox = filled(3, spool)
    outbox.failed(Send(body(0), 2), AWAY)
    assert outbox.is_flushed(0, 0)
    for batch in range(2):
        job = outbox.next()
        assert Keep(body(batch)) == job
        assert job is not None
        spool.put(body(batch))
        outbox.delivered(job, DONE)
    assert not outbox.is_flushed(3, 0)
    outbox.failed(Keep(body(2)), DiskSpaceError("full"))
    outbox.failed(Resend(spool.names[0]), AWAY)
    with pytest.raises(DiskSpaceError):
        outbox.is_flushed(3, 0)
    assert outbox.next() is None
    outbox.hurry()
    assert Keep(body(2)) == outbox.next()
    spool.put(body(2))
    outbox.delivered(Keep(body(2)), DONE)
    assert outbox.is_flushed(3, 1)
    spool.close()


def test_full_is_full_of_what_waits_and_of_what_nobody_was_told() -> None:
    """Both leave: by a delivery, and by being told."""
    outbox = filled(4)  # of some 20 bytes each
    assert not outbox.is_blocked
    outbox.add({"v": "x" * 50})
    outbox.cut()
    assert outbox.is_blocked
    point = UnwrittenPoint("x" * 60, "refused")
    while (job := outbox.next()) is not None:
        outbox.delivered(job, Outcome([point] if outbox.settled < 2 else []))
    with pytest.raises(WriteError, match=r"^2 points were refused: refused$") as caught:
        outbox.has_space()
    assert (point, point) == caught.value.points
    assert outbox.has_space()


def test_an_error_that_no_spool_waits_out_is_told(spool: Spool) -> None:
    """As often as it is asked for, and until something was sent."""
    outbox = filled(1, spool)
    outbox.failed(Send(body(0), 2), AWAY)
    assert outbox.losses() is None
    outbox.failed(Send(body(0), 2), AuthenticationError("no"))
    assert isinstance(outbox.losses(), AuthenticationError)
    assert isinstance(outbox.losses(), AuthenticationError)
    outbox.delivered(Send(body(0), 2), DONE)
    assert outbox.losses() is None
    spool.close()
