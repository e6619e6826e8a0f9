"""How far a call is: the counts of its wire and of its plan, added up for the caller's function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from db_core.observed import Stopped
from db_influx._arguments import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx._steps import Report

__all__ = ["Meter", "Progress", "Tell", "checked"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is.

    Attributes:
        bytes: Bytes of bodies that the server has sent and taken, as they travel: compressed with `gzip`, and
            counted again where a request is repeated.
        rows: Rows that are done. A write counts those that were sent, refused ones too; a read in batches
            those of the frames that it returned; `copy` and `write_parquet` those that are written. The
            other reads count rows of the server's answers, in which Flux has a row for each value.
        slices: Parts of the call that are done: queries of a read, slices of a read in batches, bodies of a
            write, shards of a snapshot.
        of_bytes: About how many bytes there will be; None if that is not known.
        of_rows: How many rows there will be; None if that is not known.
        of_slices: How many slices there will be; None if that is not known. It grows where a call finds
            that it needs more.
        share: Part of the call that is done, from 0.0 to 1.0, by what is known: its bytes, rows or slices, or
            the time of its range. It begins at 0.0. It is None only in `query_batches` and
            `query_influxql_batches`, always, since nobody knows the length of their answers.
    """

    bytes: int = 0
    rows: int = 0
    slices: int = 0
    of_bytes: int | None = None
    of_rows: int | None = None
    of_slices: int | None = None
    share: float | None = None


Tell: TypeAlias = "Callable[[Progress], object]"


class Meter:
    """Adds up how far a call is, and tells the caller's function, in the thread of the call."""

    def __init__(self, tell: Tell) -> None:
        self._told = Progress(share=0.0)
        self._tell_caller = tell

    def _tell(self, told: Progress) -> None:
        known = ((told.bytes, told.of_bytes), (told.rows, told.of_rows), (told.slices, told.of_slices))
        parts = [min(1.0, done / of) for done, of in known if of]
        if parts:
            told = replace(told, share=parts[0])
        self._told = told
        try:
            self._tell_caller(told)
        except Exception as error:  # noqa: BLE001 - it is for the caller
            raise Stopped(error) from None

    def received(self, size: int) -> None:
        """Count bytes of a body."""
        self._tell(replace(self._told, bytes=self._told.bytes + size))

    def forget(self, size: int) -> None:
        """Take back bytes of a download that broke off."""
        self._told = replace(self._told, bytes=self._told.bytes - size)

    def expect(self, slices: int) -> None:
        """Count slices that there will be."""
        self._tell(replace(self._told, of_slices=self._told.slices + slices))

    def done(self, rows: int) -> None:
        """Count a slice that is done."""
        told = self._told
        self._tell(replace(told, rows=told.rows + rows, slices=told.slices + 1))

    def report(self, step: Report) -> None:
        """Add the counts of a plan."""
        told = self._told
        self._tell(
            replace(
                told,
                rows=told.rows + step.rows,
                slices=told.slices + step.slices,
                of_bytes=told.of_bytes if step.of_bytes is None else step.of_bytes,
                of_rows=told.of_rows if step.of_rows is None else step.of_rows,
                of_slices=told.of_slices if step.of_slices is None else step.of_slices,
                share=None if step.is_endless else told.share if step.share is None else step.share,
            )
        )


def checked(progress: object) -> Tell:
    """Return the `progress` of a call."""
    if not callable(progress):
        raise invalid("progress", f"must be a function, not {progress!r}")
    return progress
