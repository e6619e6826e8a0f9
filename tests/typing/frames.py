"""The type of a frame follows from `into`: mypy and pyright check this file, nothing runs it.

pyarrow ships no types, so a Table is `Any` to both. A line marked `type: ignore` must be refused by both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_type

import pandas as pd
import polars as pl
import pyarrow as pa

from db_core.frame import AnyFrame

if TYPE_CHECKING:
    from db_core import Frame
    from db_core.frame import Into
    from db_core.ipc import FrameReader
    from db_redis import AsyncRedisClient, RedisClient


def reads(client: RedisClient) -> None:
    """Return the frame that `into` names, or None for a key that does not exist."""
    assert_type(client.read_frame("a"), pd.DataFrame | None)
    assert_type(client.read_frame("a", "pandas"), pd.DataFrame | None)
    assert_type(client.read_frame("a", into="polars"), pl.DataFrame | None)
    assert_type(client.read_frame(b"a", "arrow"), pa.Table | None)
    client.read_frame("a", "csv")  # type: ignore[call-overload]
    client.read_frame("a").head()  # type: ignore[union-attr]


def reads_or_else(client: RedisClient) -> None:
    """Return `default` in place of None."""
    assert_type(client.read_frame("a", default=None), pd.DataFrame | None)
    assert_type(client.read_frame("a", default=pd.DataFrame()), pd.DataFrame)
    assert_type(client.read_frame("a", "polars", default=0), pl.DataFrame | int)
    assert_type(client.read_frame("a", "arrow", default=0), pa.Table | int)


def reads_what_is_chosen_later(
    client: RedisClient, into: Into, either: Literal["pandas", "polars"], text: str
) -> None:
    """Return the union of the frames that `into` may name."""
    assert_type(client.read_frame("a", into), AnyFrame | None)
    assert_type(client.read_frame("a", either), pd.DataFrame | pl.DataFrame | None)
    client.read_frame("a", text)  # type: ignore[call-overload]


async def awaits(client: AsyncRedisClient, into: Into) -> None:
    """Return the same, awaited."""
    assert_type(await client.read_frame("a"), pd.DataFrame | None)
    assert_type(await client.read_frame("a", "polars"), pl.DataFrame | None)
    assert_type(await client.read_frame("a", "arrow"), pa.Table | None)
    assert_type(await client.read_frame("a", into), AnyFrame | None)
    assert_type(await client.read_frame("a", default=pd.DataFrame()), pd.DataFrame)
    assert_type(await client.read_frame("a", "polars", default=0), pl.DataFrame | int)
    await client.read_frame("a", "csv")  # type: ignore[call-overload]


def releases(frame: Frame, into: Into) -> None:
    """Hand over the frame that `into` names."""
    assert_type(frame.release("pandas"), pd.DataFrame)
    assert_type(frame.release("polars"), pl.DataFrame)
    assert_type(frame.release("arrow"), pa.Table)
    assert_type(frame.release(into), AnyFrame)
    frame.release("csv")  # type: ignore[call-overload]


def finishes(reader: FrameReader, into: Into) -> None:
    """Return the frame that `into` names."""
    assert_type(reader.finish("pandas"), pd.DataFrame)
    assert_type(reader.finish("polars"), pl.DataFrame)
    assert_type(reader.finish("arrow"), pa.Table)
    assert_type(reader.finish(into), AnyFrame)
    reader.finish("csv")  # type: ignore[call-overload]
