"""What a real InfluxDB refuses of a write: which rows, why, and what is stored all the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import AuthenticationError, InvalidArgumentError, NotFoundError, WriteError
from tests.influx.frames import INDEX, T0, pandas_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer


def test_a_partial_write_says_how_many_points_were_accepted(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A field that is an integer in the store takes no float: the error counts, and names the field."""
    store.write(f"{msname},k=c v=1i {T0}")
    frame = pd.DataFrame({"v": [1.5, math.nan], "o": [1.0, 2.0], "k": ["a", "b"]}, index=INDEX)

    with pytest.raises(WriteError, match="field type conflict") as caught:
        manager.synchronous_write(store.name, frame, msname, tag_columns=["k"])

    assert 1 == caught.value.accepted
    assert 422 == caught.value.status
    [rejection] = caught.value.rejected
    assert (0, 1, 1) == (rejection.start, rejection.stop, rejection.points)
    assert '"v"' in rejection.reason
    assert "dropped" not in rejection.reason
    pd.testing.assert_frame_equal(frame.iloc[:1], caught.value.frame)
    stored = [(point.tags["k"], point.field, point.value) for point in store.points(msname)]
    assert [("c", "v", 1), ("b", "o", 2.0)] == stored


def test_the_accepted_count_is_not_read_from_a_name(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A measurement that is called `dropped=99` does not change the count."""
    measurement = f"{msname}dropped=99"
    store.write(f"{msname}dropped=99 v=1i {T0}")

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(store.name, pandas_frame(v=[1.5, 2.5]), measurement)

    assert 0 == caught.value.accepted


def test_line_breaks_in_text_do_not_change_the_accepted_count(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Points are counted, not lines."""
    store.write(f"{msname} v=1i {T0}")
    frame = pandas_frame(v=[1.5, None], text=["a\nb\nc", "d\ne"])

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(store.name, frame, msname)

    assert 1 == caught.value.accepted


def test_a_partial_write_counts_the_bodies_before_it(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """The third body holds the wrong point: those of the first two are accepted, too."""
    rows = 120_000  # of 90 bytes: 2.6 bodies of 4 MiB
    store.write(f"{msname} last=1i {T0}")
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"n": np.arange(rows), "text": "x" * 30, "last": math.nan}, index=index)
    frame.iloc[-1, 2] = 0.5

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(store.name, frame, msname)

    assert rows - 1 == caught.value.accepted


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_every_refused_row_is_named_and_all_others_are_stored(
    manager: InfluxManager, store: Store, msname: str, kind: str
) -> None:
    """Over several bodies, whatever lies between; the error holds the frame of the refused rows."""
    rows = 120_000  # of 90 bytes: 2.6 bodies of 4 MiB
    wrong = [0, 7, 8, 9, 40_000, 46_602, 99_999, 119_999]
    store.write(f"{msname} last=1i {T0 - 1}")
    index = pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC", name="time")
    frame = pd.DataFrame({"n": np.arange(rows), "text": "x" * 30, "last": math.nan}, index=index)
    frame.iloc[wrong, 2] = 0.5
    columns = {"pandas": frame, "polars": pl.from_pandas(frame.reset_index())}
    data = columns["polars"].to_arrow() if kind == "pyarrow" else columns[kind]

    with pytest.raises(WriteError, match=r"8 of 120000 points were refused: row 0: .*; and 3 more") as caught:
        manager.synchronous_write(store.name, data, msname, time_column=None if kind == "pandas" else "time")

    assert rows - len(wrong) == caught.value.accepted
    assert wrong == [row for one in caught.value.rejected for row in range(one.start, one.stop)]
    assert {1, 3} == {one.points for one in caught.value.rejected}
    assert (
        wrong == [int(row) for row in caught.value.frame["n"].to_pylist()]
        if kind == "pyarrow"
        else (wrong == caught.value.frame["n"].to_list())
    )
    stored = manager.read("2026-01-01", "2026-01-03", msname, "n", store.name, interval=None)
    assert sorted(set(range(rows)) - set(wrong)) == stored["n"].tolist()


def test_the_search_for_refused_rows_is_bounded(manager: InfluxManager, store: Store, msname: str) -> None:
    """Where every second row is refused, most are told by the stretch; none is said to be accepted."""
    rows = 4_000
    store.write(f"{msname} v=1i {T0 - 1}")
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"n": 1, "v": [0.5, math.nan] * (rows // 2)}, index=index)

    with pytest.raises(WriteError, match=f"at least {rows // 2} of {rows} points were refused") as caught:
        manager.synchronous_write(store.name, frame, msname)

    assert 0 < caught.value.accepted <= rows // 2
    assert rows - caught.value.accepted == sum(one.stop - one.start for one in caught.value.rejected)
    assert rows // 2 == sum(one.points for one in caught.value.rejected)
    refused = {row for one in caught.value.rejected for row in range(one.start, one.stop)}
    assert set(range(0, rows, 2)) <= refused
    assert (
        rows // 2 == manager.read("2026-01-01", "2026-01-03", msname, "n", store.name, interval=None).n.sum()
    )


def test_rows_that_are_refused_in_several_shards_are_all_told(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """The server tells of one shard's failure only; the frame spans four that refuse and four that do not."""
    weeks = pd.date_range("2026-01-01", periods=4, freq="28D", tz="UTC")
    manager.synchronous_write(store.name, pd.DataFrame({"v": [1, 2, 3, 4]}, index=weeks), msname)
    between = weeks + pd.Timedelta(days=14)
    frame = pd.DataFrame({"v": np.arange(8) + 0.5}, index=(weeks + pd.Timedelta(hours=1)).append(between))

    with pytest.raises(WriteError, match="4 of 8 points were refused") as caught:
        manager.synchronous_write(store.name, frame, msname)

    rejected = [row for one in caught.value.rejected for row in range(one.start, one.stop)]
    assert (4, [0, 1, 2, 3]) == (caught.value.accepted, rejected)
    assert_frame_equal(frame.iloc[:4], caught.value.frame)
    landed = [
        manager.read(time, time + pd.Timedelta("1s"), msname, "v", store.name, interval=None)["v"].tolist()
        for time in frame.index
    ]
    assert [[], [], [], [], [4.5], [5.5], [6.5], [7.5]] == landed


def test_rows_too_old_and_rows_of_a_wrong_type_are_told_together(
    manager: InfluxManager, own_store: Store, msname: str
) -> None:
    """One refusal hides the other in the server's answer."""
    api = own_store.client.buckets_api()
    bucket = api.find_bucket_by_name(own_store.name)
    bucket.retention_rules[0].every_seconds = 30 * 86_400
    bucket.retention_rules[0].shard_group_duration_seconds = 86_400
    api.update_bucket(bucket)
    now = pd.Timestamp.now("UTC").floor("s")
    manager.synchronous_write(own_store.name, pd.DataFrame({"v": [1]}, index=[now]), msname)
    ages = pd.to_timedelta([400, 399, 3, 0], "D")
    frame = pd.DataFrame({"v": 0.5}, index=now - ages)

    with pytest.raises(WriteError) as caught:
        manager.synchronous_write(own_store.name, frame, msname)

    assert 1 == caught.value.accepted
    assert [(0, 2), (3, 4)] == [(one.start, one.stop) for one in caught.value.rejected]


def test_the_search_leaves_the_last_of_rows_with_one_time(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """What is written again in the search does not take the place of a later row."""
    store.write(f"{msname} w=1i {T0 - 1}")
    times = pd.DatetimeIndex([T0 + 3, T0 + 1, T0 + 2, T0 + 1])
    frame = pd.DataFrame({"v": [0, 1, 5, 2], "w": [0.5, math.nan, math.nan, math.nan]}, index=times)

    with pytest.raises(WriteError, match="1 of 4"):
        manager.synchronous_write(store.name, frame, msname, duplicates="last")

    stored = manager.read("2026-01-01", "2026-01-02", msname, "v", store.name, interval=None)
    assert [2, 5] == stored["v"].tolist()


@pytest.mark.parametrize("role", ["text", "tag", "time"])
def test_what_is_as_long_as_influxdb_keeps_is_written_and_no_more(
    manager: InfluxManager, store: Store, msname: str, role: str
) -> None:
    """The limits are the server's own: it takes the last one, and refuses the next one from everybody."""
    spare = 65_531 - len(f"{msname},t=field")
    fits, too_much = {
        "text": (f'field="{"x" * (1 << 20)}" {T0}', f'field="{"x" * (1 << 20)}y" {T0}'),
        "tag": (f",t={'x' * spare} field=1 {T0}", f",t={'x' * spare}y field=1 {T0}"),
        "time": (f"field=1 {-(2**63) + 2}", f"field=1 {-(2**63) + 1}"),
    }[role]
    lines = [f"{msname}{'' if line.startswith(',') else ' '}{line}" for line in (fits, too_much)]
    with pytest.raises(Exception, match=r"too long|max key length|outside range"):
        store.write(lines[1])
    of_all_time = f'from(bucket: "{store.name}") |> range(start: 1677-09-21T00:12:43.145224194Z)'
    count = f'{of_all_time} |> filter(fn: (r) => r._measurement == "{msname}") |> count()'
    assert 0 == len(manager.query(count))

    def frame(line: str) -> pd.DataFrame:
        tag = line.partition(",t=")[2].partition(" ")[0]
        value = line.partition("field=")[2].rpartition(" ")[0].strip('"')
        times = np.array([int(line.rpartition(" ")[2])]).view("M8[ns]")
        return pd.DataFrame({"t": [tag], "field": [value]}, index=pd.DatetimeIndex(times))

    with pytest.raises(InvalidArgumentError, match="InfluxDB"):
        manager.synchronous_write(store.name, frame(lines[1]), msname, tag_columns=["t"])
    manager.synchronous_write(store.name, frame(lines[0]), msname, tag_columns=["t"])
    assert [1] == manager.query(count)["_value"].tolist()


@pytest.mark.parametrize("rest", [b"", b"\r", b"\r\nX-Infl", b"\r\nno header\r\n\r\n", b"\r\nX: y"])
def test_a_write_has_landed_once_its_status_says_so(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], rest: bytes
) -> None:
    """Whatever becomes of the headers behind 204: it is not sent again."""
    server = peer(b"HTTP/1.1 204 No Content" + rest)

    call_peer(server, retries=3).synchronous_write("b", pandas_frame(v=[1, 2]), "m")

    assert 1 == len(server.requests)


def test_points_older_than_the_retention_are_an_error(
    manager: InfluxManager, own_store: Store, msname: str
) -> None:
    """What the bucket does not keep is not taken for written."""
    api = own_store.client.buckets_api()
    bucket = api.find_bucket_by_name(own_store.name)
    bucket.retention_rules[0].every_seconds = 3600
    bucket.retention_rules[0].shard_group_duration_seconds = 3600
    api.update_bucket(bucket)

    with pytest.raises(WriteError, match=r"(?i)retention") as caught:
        manager.synchronous_write(
            own_store.name, pd.DataFrame({"v": [1, 2]}, index=INDEX - pd.Timedelta(days=5000)), msname
        )

    assert 0 == caught.value.accepted


def test_no_such_bucket_is_not_found(manager: InfluxManager) -> None:
    """The error names the bucket, as the server does."""
    with pytest.raises(NotFoundError, match="nowhere"):
        manager.synchronous_write("nowhere", pandas_frame(v=[1, 2]), "m")


def test_no_such_organization_is_not_found(make_manager: Callable[..., InfluxManager], store: Store) -> None:
    """The organization is named."""
    with pytest.raises(NotFoundError, match="nobody"):
        make_manager(org="nobody").synchronous_write(store.name, pandas_frame(v=[1, 2]), "m")


def test_a_token_without_permission_is_an_authentication_error(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str
) -> None:
    """The server does not know the token: nothing is stored."""
    with pytest.raises(AuthenticationError):
        make_manager(token="not-the-token").synchronous_write(store.name, pandas_frame(v=[1, 2]), msname)

    assert [] == store.points(msname)


def test_a_failure_after_the_first_body_says_what_is_stored(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """The connection breaks at the second of two bodies: a WriteError that counts the points of the first."""
    rows = 80_000
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"n": np.arange(rows), "text": "x" * 60}, index=index)
    server = peer(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", b"")

    with pytest.raises(WriteError, match="points were written") as caught:
        call_peer(server).synchronous_write("b", frame, "m")

    first = server.requests[0].partition(b"\r\n\r\n")[2]
    assert first.count(b"\n") == caught.value.accepted
    assert 0 < first.count(b"\n") < rows
