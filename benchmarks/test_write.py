"""Writing: line protocol alone, and all the way into a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client.client.write_api import SYNCHRONOUS, PointSettings

from benchmarks import peers
from benchmarks.race import Peer
from benchmarks.sent import Sent, sent_by
from db_core import to_line_protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.conftest import Buckets
    from benchmarks.race import Race
    from db_influx import InfluxManager
    from tools.servers import InfluxDB

MEASUREMENT = "electricity"
START = pd.Timestamp("2026-01-05", tz="UTC")
WRITE = "write 200,000 rows x 4 fields"


@pytest.fixture(scope="module")
def frame(scale: int) -> pd.DataFrame:
    """Make 200,000 rows of four fields and a tag, a second apart."""
    rows = 200_000 // scale
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "meter": pd.array([f"meter-{row % 20:02}" for row in range(rows)], dtype="str"),
            "power": random.normal(1_000, 100, rows).round(3),
            "voltage": random.normal(230, 1.5, rows).round(2),
            "energy": np.arange(rows) * 17,
            "on": random.random(rows) < 0.5,
        },
        index=pd.date_range(START, periods=rows, freq="1s", unit="ns", name="time"),
    )


def test_line_protocol(race: Race, frame: pd.DataFrame) -> None:
    """Encode a pandas frame."""

    def encoded() -> bytes:
        return to_line_protocol(frame, MEASUREMENT, tag_columns=["meter"])

    assert by_hand(frame) == [parsed(line) for line in encoded().decode().splitlines()]
    assert by_hand(frame) == [parsed(line) for line in official(frame)]

    race(
        "encode 200,000 rows x 4 fields",
        encoded,
        Peer("influxdb-client", lambda: official(frame), faster=20),
        repeat=5,
    )


def test_synchronous_write(
    race: Race, manager: InfluxManager, influx: InfluxDB, buckets: Buckets, frame: pd.DataFrame
) -> None:
    """Write a pandas frame, each time into a bucket that has nothing but its shard."""
    fresh = fresh_buckets(manager, buckets, 2 * (race.rounds + 1))

    def theirs(bucket: str) -> None:
        api = official_client.write_api(write_options=SYNCHRONOUS)
        api.write(
            bucket, record=frame, data_frame_measurement_name=MEASUREMENT, data_frame_tag_columns=["meter"]
        )

    with peers.client(influx) as official_client:
        stored(manager, lambda bucket: ours(manager, bucket, frame), fresh, frame)
        stored(manager, theirs, fresh, frame)

        race(
            WRITE,
            lambda: ours(manager, next(fresh), frame),
            Peer("influxdb-client", lambda: theirs(next(fresh))),
        )


def test_own_work_in_a_write(
    race: Race,
    manager: InfluxManager,
    buckets: Buckets,
    frame: pd.DataFrame,
    quick: bool,  # noqa: FBT001 - a fixture
) -> None:
    """Write it beside its bodies, made before; in more rounds, as the server's time doubles now and then."""
    rounds = race.rounds if quick else 12
    fresh = fresh_buckets(manager, buckets, 2 * (rounds + 1))
    # The write alone: reading what is stored has more under way at once.
    own = sent_by(manager, lambda: ours(manager, next(fresh), frame))
    stored(manager, own.post, fresh, frame)

    race(
        WRITE,
        lambda: ours(manager, next(fresh), frame),
        Peer("ready bodies, posted", lambda: own.post(next(fresh)), within=1.15),
        rounds=rounds,
    )


def ours(manager: InfluxManager, bucket: str, frame: pd.DataFrame) -> None:
    """Write as users do."""
    manager.synchronous_write(bucket, frame, MEASUREMENT, tag_columns=["meter"])


def official(frame: pd.DataFrame) -> list[str]:
    """Encode as influxdb-client does."""
    lines: list[str] = data_frame_to_list_of_points(
        frame,
        PointSettings(),
        data_frame_measurement_name=MEASUREMENT,
        data_frame_tag_columns=["meter"],
    )
    return lines


def by_hand(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Give what each line must say."""
    assert isinstance(frame.index, pd.DatetimeIndex)
    columns = [frame.index.asi8.tolist(), *(frame[name].tolist() for name in frame.columns)]
    return [
        (f"{MEASUREMENT},meter={meter}", power, voltage, f"{energy}i", on, time)
        for time, meter, power, voltage, energy, on in zip(*columns, strict=True)
    ]


def parsed(line: str) -> tuple[Any, ...]:
    """Take a line apart; nothing in it is escaped, and the order of fields is free."""
    series, pairs, time = line.split(" ")
    fields = dict(pair.split("=") for pair in pairs.split(","))
    power, voltage = float(fields["power"]), float(fields["voltage"])
    return series, power, voltage, fields["energy"], fields["on"].lower() in ("t", "true"), int(time)


def fresh_buckets(manager: InfluxManager, buckets: Buckets, count: int) -> Iterator[str]:
    """Make buckets, each with a first point, so that no write has to make the shard."""
    made = [buckets.make() for _ in range(count)]
    for bucket in made:
        Sent(manager).write(bucket, f"first value=1 {START.value}".encode())
    return iter(made)


def stored(
    manager: InfluxManager, write: Callable[[str], None], fresh: Iterator[str], frame: pd.DataFrame
) -> None:
    """Check that a way of writing stores the frame."""
    bucket = next(fresh)
    write(bucket)
    stop = START + pd.Timedelta(seconds=len(frame))
    fields = [name for name in frame.columns if name != "meter"]
    found = manager.read(START, stop, MEASUREMENT, fields, bucket, interval=None)
    expected = frame.set_index("meter", append=True).swaplevel().sort_index()
    pd.testing.assert_frame_equal(expected, found, check_freq=False, check_index_type=False)
