"""Decoding alone: the same bytes, one thread each, each reader into its own kind of frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from influxdb_client.client.flux_csv_parser import FluxCsvParser, FluxSerializationMode
from pyarrow import csv

from benchmarks.race import Peer
from benchmarks.samples import SAMPLES
from db_core import read_annotated_csv

if TYPE_CHECKING:
    import pyarrow as pa

    from benchmarks.race import Race
    from benchmarks.samples import Sample

# How many times faster ours must be; what is not named: 30, 0.
BARS = {"long form": {"influxdb-client": 100, "pyarrow.csv": 7}}


@pytest.mark.parametrize("name", SAMPLES)
def test_decode(name: str, race: Race, scale: int) -> None:
    """Decode an answer into columns."""
    sample = SAMPLES[name](scale)
    check(sample, read_annotated_csv(sample.answer).to_pandas(), unit="ns")
    check(sample, with_influxdb_client(sample.answer), unit="us")
    check(sample, with_pyarrow(sample.plain).to_pandas(), unit="ns")
    check(sample, with_polars(sample.plain).to_pandas(), unit="us")

    bars = {"influxdb-client": 30} | BARS.get(name, {})
    race(
        f"decode {name}",
        lambda: read_annotated_csv(sample.answer),
        Peer("influxdb-client", lambda: with_influxdb_client(sample.answer), faster=bars["influxdb-client"]),
        Peer("pyarrow.csv", lambda: with_pyarrow(sample.plain), faster=bars.get("pyarrow.csv"), repeat=3),
        Peer("polars.read_csv", lambda: with_polars(sample.plain), repeat=3),
        repeat=10,
    )


def with_influxdb_client(answer: bytes) -> Any:
    """Parse as `query_data_frame` does."""
    parser = FluxCsvParser(io.BytesIO(answer), serialization_mode=FluxSerializationMode.dataFrame)
    [frame] = parser.generator()
    return frame


def with_pyarrow(plain: bytes) -> pa.Table:
    """Parse by pyarrow, on one thread."""
    return csv.read_csv(io.BytesIO(plain), read_options=csv.ReadOptions(use_threads=False))


def with_polars(plain: bytes) -> pl.DataFrame:
    """Parse by polars, which conftest keeps to one thread."""
    return pl.read_csv(plain, try_parse_dates=True)


def check(sample: Sample, found: pd.DataFrame, *, unit: str) -> None:
    """Check every value; times to what the reader keeps of them."""
    assert len(sample.expected) == len(found)
    for name, expected in sample.expected.items():
        column = found[name]
        if name == "_time":
            times = pd.DatetimeIndex(column).as_unit("ns").tz_localize(None)
            assert np.array_equal(
                expected.to_numpy().astype(f"M8[{unit}]"), times.to_numpy().astype(f"M8[{unit}]")
            )
        elif expected.dtype == "float64":
            np.testing.assert_array_equal(expected.to_numpy(), column.to_numpy(dtype="float64"))
        else:
            assert expected.tolist() == column.tolist()
