"""One call of each method that reads, and of those that change something, for what holds for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_influx._connection import Connection, LocalToken
from db_influx._flux import Selection
from db_influx._options import Options, Transport
from db_influx._partition import divided
from db_influx.plans.partitions import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager

BUCKET = "nobody-made-this-bucket"
T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SPAN = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
FRAME = pd.DataFrame({"v": [1.0]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))
# A partition that no server was asked for.
WHOLE = Selection(BUCKET, "m", ("v",), (), T0, T0 + 86_400_000_000_000)
LAYOUT = Layout(WHOLE, None, (), {"v": "float64"}, dense=False, options=Options.of(missing="ignore", by=[]))
NOWHERE = Connection("http://127.0.0.1:9", "o", Transport(), None, LocalToken())
[PART] = divided(NOWHERE, LAYOUT, (WHOLE.start, WHOLE.stop))

CALLS: dict[str, Callable[[InfluxManager], Any]] = {
    "read": lambda manager: manager.read(*SPAN, "m", "v", BUCKET),
    "read raw": lambda manager: manager.read(*SPAN, "m", "v", BUCKET, interval=None),
    "read_all_fields": lambda manager: manager.read_all_fields(*SPAN, "m", BUCKET),
    "read_accumulated_value": lambda manager: manager.read_accumulated_value(*SPAN, "m", "v", BUCKET, 60),
    "in seconds": lambda manager: manager.read_accumulated_value_in_seconds(*SPAN, "m", "v", BUCKET, 60),
    "partitions": lambda manager: manager.partitions(*SPAN, "m", "v", BUCKET, every="1d"),
    "read_partition": lambda manager: manager.read_partition(PART),
    "average": lambda manager: manager.read_average_value_in_seconds(BUCKET, "m", "v", 60),
    "last": lambda manager: manager.read_last_data_point(BUCKET, "m", "v"),
    "measurements": lambda manager: manager.get_measurements_on_bucket(BUCKET),
    "fields": lambda manager: manager.get_fields(BUCKET, "m"),
    "tags": lambda manager: manager.get_tags(BUCKET, "m"),
    "tag values": lambda manager: manager.get_tag_values(BUCKET, "m", "k"),
    "count": lambda manager: manager.count(BUCKET, "m"),
    "time_range": lambda manager: manager.time_range(BUCKET, "m"),
    "parquet": lambda manager: manager.write_parquet("nowhere", *SPAN, "m", "v", BUCKET),
    "query": lambda manager: manager.query("buckets()"),
    "split": lambda manager: manager.query("buckets()", split=True),
    "query_influxql": lambda manager: manager.query_influxql("SHOW DATABASES"),
}
WRITE: dict[str, Callable[[InfluxManager], Any]] = {
    "write": lambda manager: manager.synchronous_write(BUCKET, FRAME, "m")
}
CHANGE: dict[str, Callable[[InfluxManager], Any]] = {
    "delete": lambda manager: manager.delete(BUCKET, *SPAN),
    "delete_bucket": lambda manager: manager.delete_bucket(BUCKET),
    "copy": lambda manager: manager.copy(BUCKET, "other", start=SPAN[0], stop=SPAN[1]),
}
# They need no bucket that exists.
ANYWHERE: dict[str, Callable[[InfluxManager], Any]] = {
    "list_buckets": lambda manager: manager.list_buckets(),
    "create_bucket": lambda manager: manager.create_bucket(BUCKET),
}
DOWNLOAD: dict[str, Callable[[InfluxManager], Any]] = {
    "snapshot": lambda manager: manager.snapshot(BUCKET, *SPAN)
}

each_read = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
_OF_A_BUCKET = CALLS | WRITE | CHANGE | DOWNLOAD
_ALL = _OF_A_BUCKET | ANYWHERE
# A peer knows no bucket, and answers the question for one by itself, with which these begin.
ANSWERED = ("delete", "delete_bucket", "list_buckets")
_OF_A_PEER = {name: call for name, call in _ALL.items() if name not in ANSWERED}
each_call_of_a_peer = pytest.mark.parametrize("call", _OF_A_PEER.values(), ids=_OF_A_PEER)
each_call_of_a_bucket = pytest.mark.parametrize("call", _OF_A_BUCKET.values(), ids=_OF_A_BUCKET)
each_call = pytest.mark.parametrize("call", _ALL.values(), ids=_ALL)
