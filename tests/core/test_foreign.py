"""What other libraries raise, panics of Rust's too, leaves as a `DatabaseError` that names the column."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from db_core import DatabaseError, InvalidArgumentError, SerializationError
from db_core.annotated_csv import iter_annotated_csv, read_annotated_csv
from db_core.foreign import shown, told
from db_core.frame import Frame
from db_core.ipc import FrameReader, check_into, write_pieces

if TYPE_CHECKING:
    from collections.abc import Callable

ARROW: dict[str, pa.Array] = {
    "decimal of 256 bits": pa.array([1], pa.decimal256(50, 2)),
    "unknown zone": pa.array([1], pa.timestamp("us", "No/Where")),
    "zone that is an offset": pa.array([1], pa.timestamp("us", "+01:30")),
    "time after pandas' last": pa.array([2**62], pa.timestamp("us", "Europe/Lisbon")),
    "date after Python's last": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
    "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "list view": pa.array([[1]], pa.list_view(pa.int64())),
    "run ends": pa.RunEndEncodedArray.from_arrays([1], [1]),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "struct": pa.array([{"a": 1}]),
}


def outcome(do: Callable[[], object]) -> BaseException | None:
    """Give what a call raises, a panic too."""
    try:
        do()
    except BaseException as error:  # noqa: BLE001 - a panic is no Exception
        return error
    return None


@pytest.mark.filterwarnings("ignore::Warning")  # of what the libraries mean to change
@pytest.mark.parametrize("kind", ARROW)
def test_a_type_that_a_library_lacks_is_named(kind: str) -> None:
    """On its way into each library, of `Frame` and of pieces, from Arrow and from pandas."""
    table = pa.table({"good": [1], "bad": ARROW[kind]})
    sources: list[Any] = [table, table[:0]]
    if (frame := made(lambda: table.to_pandas(types_mapper=pd.ArrowDtype))) is not None:
        sources += [frame, frame.set_index("bad")]
    raised = []
    for source in sources:
        for into in ("pandas", "polars", "arrow"):
            raised.append(outcome(lambda source=source, into=into: Frame.of(source).release(into)))  # type: ignore[misc]
            raised.append(outcome(lambda source=source, into=into: through_pieces(source, into)))  # type: ignore[misc]
    errors = [error for error in raised if error is not None]
    assert [] == [error for error in errors if not isinstance(error, DatabaseError)]
    assert [] == [error for error in errors if "bad" not in str(error) and "index" not in str(error)]


def made(make: Callable[[], Any]) -> Any:
    """Give a frame, or None where pandas itself can't make it."""
    return None if outcome(make) is not None else make()


def through_pieces(frame: object, into: Any) -> Any:
    """Write a frame and read it."""
    reader = FrameReader()
    for piece in write_pieces(frame, 1 << 20):
        reader.feed(piece)
    return reader.finish(into)


@dataclasses.dataclass
class Unset:
    """Has a field without a value, so its `repr` fails."""

    field: int = dataclasses.field(init=False)


def test_a_label_that_has_no_text_is_refused() -> None:
    """As a column's name, and as the index's."""
    unset = pd.DataFrame([[1]], columns=pd.Index([Unset()], dtype=object))
    lone = pd.DataFrame([[1]], columns=pd.Index(["\ud800"], dtype=object))
    named = pd.DataFrame({"x": [1]}, index=pd.Index([1], name="\ud800"))
    for frame in (unset, lone, named):
        with pytest.raises(InvalidArgumentError):
            Frame.of(frame)
        with pytest.raises(SerializationError):
            list(write_pieces(frame, 1 << 20))


def test_a_capsule_that_is_none_is_refused() -> None:
    """Or one whose maker fails."""

    class NoCapsule:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return requested_schema

    class Failing:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise RuntimeError("out of order")

    for source in (NoCapsule(), Failing()):
        with pytest.raises(InvalidArgumentError, match="can't be read"):
            Frame.of(source)
        with pytest.raises(SerializationError, match="can't be kept"):
            list(write_pieces(source, 1 << 20))


@pytest.mark.parametrize(
    "into", [np.array(["pandas", "x"]), pd.Series([1, 2]), pl.Series([1]), Unset()], ids=type
)
def test_an_unusable_kind_of_frame_is_refused(into: Any) -> None:
    """Also one that is compared element by element, or has no text."""
    with pytest.raises(InvalidArgumentError, match="`into`"):
        check_into(into)


def test_any_memory_and_no_odd_argument_is_read() -> None:
    """Bytes that are not in a row too; a path with a NUL and odd numbers are refused."""
    text = b"#datatype,string,long\r\n#group,false,false\r\n#default,_result,\r\n,result,n\r\n,,7\r\n\r\n"
    spread = bytearray(2 * len(text))
    spread[::2] = text
    assert read_annotated_csv(text).to_pydict() == read_annotated_csv(memoryview(spread)[::2]).to_pydict()
    with pytest.raises(InvalidArgumentError, match="NUL"):
        read_annotated_csv("a\0b")
    for rows in ("5", 1.5, True, None, np.array([1, 2]), Unset()):
        with pytest.raises(InvalidArgumentError, match="`batch_rows`"):
            iter_annotated_csv(text, batch_rows=rows)  # type: ignore[arg-type]


def test_only_errors_of_libraries_are_told() -> None:
    """A missing library, used up memory and an interrupt come out as they are."""
    for error in (ImportError("x"), MemoryError(), KeyboardInterrupt(), InvalidArgumentError("ours")):
        with pytest.raises(type(error)) as caught, told(InvalidArgumentError):
            raise error
        assert error is caught.value
    with pytest.raises(InvalidArgumentError, match=r"^ZeroDivisionError$"), told(InvalidArgumentError):
        raise ZeroDivisionError
    assert "[datetime.date(2026, 1, 1)]" == shown([dt.date(2026, 1, 1)])
    assert "a Unset" == shown(Unset())
