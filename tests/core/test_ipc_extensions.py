"""Arrow's extension types in frames: kept, or an error that names the column and the type."""

from __future__ import annotations

import uuid
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from db_core.errors import SerializationError
from db_core.ipc import FrameReader, write_pieces

UUIDS = pa.array([uuid.UUID(int=1).bytes, None], pa.uuid())
JSON = pa.array(["{}", None], pa.json_())
FLAGS = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8()))
COLUMNS: dict[str, tuple[str, pa.Array]] = {
    "uuid": ("arrow.uuid", UUIDS),
    "json": ("arrow.json", JSON),
    "bool8": ("arrow.bool8", FLAGS),
    "list": ("arrow.uuid", pa.ListArray.from_arrays([0, 1, 2], UUIDS)),
    "struct": ("arrow.json", pa.StructArray.from_arrays([JSON], ["of"])),
}


def there_and_back(frame: object, into: Any) -> Any:
    """Write a frame as pieces, and read it."""
    reader = FrameReader()
    for piece in write_pieces(frame, 1000):
        reader.feed(piece)
    return reader.finish(into)


@pytest.mark.parametrize("kind", COLUMNS)
def test_extension_types_are_kept_in_arrow(kind: str) -> None:
    """Also those within others."""
    table = pa.table({"ok": [1, 2], "at": COLUMNS[kind][1]})
    assert table.equals(there_and_back(table, "arrow"))


@pytest.mark.parametrize("kind", COLUMNS)
def test_extension_types_have_no_place_in_pandas(kind: str) -> None:
    """As it would take a text or a number for them."""
    extension, column = COLUMNS[kind]
    with pytest.raises(SerializationError, match=f"column 'at': pandas .*'{extension}'"):
        there_and_back(pa.table({"ok": [1, 2], "at": column}), "pandas")


@pytest.mark.parametrize("kind", ["uuid", "list", "struct"])
def test_extension_types_that_polars_drops_have_no_place_there(kind: str) -> None:
    """Of UUIDs and of what is within others it takes the bytes or texts alone."""
    extension, column = COLUMNS[kind]
    with pytest.raises(SerializationError, match=f"column 'at': polars .*'{extension}'"):
        there_and_back(pa.table({"ok": [1, 2], "at": column}), "polars")


@pytest.mark.parametrize("kind", ["json", "bool8"])
@pytest.mark.filterwarnings("ignore::Warning")  # that the type is not registered
def test_extension_types_that_polars_has_are_kept(kind: str) -> None:
    """From Arrow to polars, and from there back."""
    extension, column = COLUMNS[kind]
    frame = there_and_back(pa.table({"at": column}), "polars")
    assert isinstance(frame.schema["at"], pl.BaseExtension)
    assert extension in str(frame.schema["at"])
    assert extension == there_and_back(frame, "arrow").schema.field("at").type.extension_name


@pytest.mark.parametrize("kind", ["uuid", "json", "bool8"])
def test_an_extension_type_of_a_pandas_frame_is_refused(kind: str) -> None:
    """In a column and in the index, before anything is written; one within a list is kept."""
    frame = pd.DataFrame({"at": pd.arrays.ArrowExtensionArray(COLUMNS[kind][1])})
    for refused in (frame, frame.set_index("at")):
        with pytest.raises(SerializationError, match="extension"):
            write_pieces(refused, 1000)

    listed = pd.DataFrame({"at": pd.arrays.ArrowExtensionArray(COLUMNS["list"][1])})
    assert listed.dtypes.equals(there_and_back(listed, "pandas").dtypes)
