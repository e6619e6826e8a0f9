"""Hostile texts as every kind of name and value: they arrive as they are, or are refused and nothing is sent.

What line protocol and the server's answers can't carry was tried on InfluxDB 2.9.1; see `uncarried`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
START, STOP = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
INDEX = pd.DatetimeIndex([START], name="time").as_unit("ns")

TEXTS = {
    "double quote": 'a"b',
    "single quote": "a'b",
    "only a quote": '"',
    "backslash": "a\\b",
    "two backslashes": "a\\\\b",
    "backslash at the end": "a\\",
    "only a backslash": "\\",
    "backslash before n": "a\\nb",
    "backslash before a comma": "a\\,b",
    "backslash before a space": "a\\ b",
    "backslash before an equals sign": "a\\=b",
    "backslash before a quote": 'a\\"b',
    "two backslashes before a comma": "a\\\\,b",
    "interpolation": "${1+1}",
    "interpolation of a value": "${r._value}",
    "dollar": "$",
    "dollar inside": "a$b",
    "comma": "a,b",
    "only a comma": ",",
    "space": "a b",
    "only a space": " ",
    "spaces around": " a ",
    "equals sign": "a=b",
    "only an equals sign": "=",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "carriage return and line feed": "a\r\nb",
    "tab": "a\tb",
    "tab first": "\ta",
    "only a tab": "\t",
    "null character": "a\0b",
    "null character first": "\0a",
    "control characters": "a\x01\x1b\x7fb",
    "byte order mark": "\ufeffa",
    "line separator": "a\u2028\u2029\x85b",
    "no-break space": "a\u00a0b",
    "accent": "é",
    "accent combined": "e\u0301",
    "emoji": "😀👩‍👩‍👧",
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd\u202c",
    "replacement character": "\ufffd",
    "non-character": "\uffff",
    "hash first": "#a",
    "Flux comment": "a//b",
    "Flux injection": '") |> drop(columns: ["_value"]) //',
    "Flux injection with a bracket": '"] == "x" or true or r["a',
    "Flux injection of a second query": '")\nfrom(bucket: "b") |> range(start: 0',
    "pipe": "|>",
    "line protocol injection": "a v=9 1\nm",
    "looks like a number": "1",
    "looks like a boolean": "true",
    "keyword": "and",
    "template": "{{a}} %s {0}",
    "query string": "a&bucket=b%20#c?d",
    "slashes": "../../etc",
    "very long": "x" * 10_000,
}

_BEFORE_SPECIAL = re.compile(r'\\[,= "]')


def uncarried(place: str, text: str) -> bool:
    """Say whether line protocol, or the server's answer, loses this text in this place."""
    if place == "value":
        return False
    if "\n" in text or "\r" in text or text.endswith("\\"):
        return True
    if place == "measurement":
        return text.startswith(("#", "\t", "\0")) or bool(_BEFORE_SPECIAL.search(text))
    if place == "field":
        return text.startswith(("\t", "\0")) or bool(_BEFORE_SPECIAL.search(text))
    # It makes the server take a quote in a tag for that of a string.
    return place == "tag key" and "\\ " in text


PLACES = ("measurement", "field", "tag key", "tag value", "value")


def cases() -> list[Any]:
    """Give every text in every place."""
    return [
        pytest.param(place, name, id=f"{name} as {place}")
        for place in PLACES
        for name in TEXTS
        # The server's CSV leaves out carriage returns, which a value may hold all the same.
        if place != "value" or "\r" not in TEXTS[name]
    ]


@pytest.mark.parametrize(("place", "name"), cases())
def test_a_text_arrives_as_it_is_or_is_refused(
    manager: InfluxManager, store: Store, msname: str, place: str, name: str
) -> None:
    """Write, read, downsample, read all, last point and names agree; a bystander series stays as it was."""
    text = TEXTS[name]
    measurement = f"{text}{msname}" if place == "measurement" else msname
    if place == "measurement" and text.endswith("\\"):
        measurement = f"{msname}{text}"
    field = text if place == "field" else "v"
    tags = {"tag key": {text: "x"}, "tag value": {"k": text}}.get(place, {})
    value: Any = text if place == "value" else 1.5
    frame = pd.DataFrame({field: [value]}, index=INDEX)
    bystander = {"k": "bystander"} if place == "tag value" else {"other": "bystander"}
    store.write(f"{msname},{next(iter(bystander))}=bystander w=7 {T0}")
    before = store.points(msname)

    if uncarried(place, measurement if place == "measurement" else text):
        with pytest.raises(InvalidArgumentError) as caught:
            manager.synchronous_write(store.name, frame, measurement, tags)
        assert caught.value.argument is not None
        assert before == store.points(msname)
        return
    manager.synchronous_write(store.name, frame, measurement, tags)

    filtered = None if tags == {"$": "x"} else tags  # no filter can name this one
    span = (START, STOP, measurement, field, store.name)
    expected = pd.DataFrame({field: [value]}, index=INDEX.rename("time"))
    assert_frame_equal(expected, manager.read(*span, filtered, interval=None))
    windows = manager.read(*span, filtered, interval="1d", agg_func="last", label="start")
    assert_frame_equal(expected, windows)
    everything = manager.read_all_fields(START, STOP, measurement, store.name, filtered)
    if place == "tag key":
        [row] = everything[everything[field].notna()].reset_index().to_dict("records")
        assert {field: value, **tags} == {key: row[key] for key in (field, *tags)}
    elif place != "tag value":
        assert value == everything[field].dropna().iloc[0]
    else:
        assert [value, text] == everything.iloc[0].tolist()
    assert {field: value} == manager.read_last_data_point(store.name, measurement, field, filtered)
    if place in ("measurement", "field"):
        assert field in manager.get_fields(store.name, measurement)
    if place == "measurement":
        assert measurement in manager.get_measurements_on_bucket(store.name)
    assert before == [point for point in store.points(msname) if point.field == "w"]


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if "\r" not in text])
def test_a_text_is_compared_as_it_is(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str, name: str
) -> None:
    """Asked for in each place of a read, a text finds nothing of others: a query can't be widened."""
    manager = make_manager(missing="ignore")
    text = TEXTS[name]
    store.write(f"{msname},k=a v=1 {T0}")
    store.write(f"{msname},k=b v=2 {T0}")
    span = (START, STOP)

    assert 0 == len(manager.read(*span, text, "v", store.name, interval=None))
    assert 0 == len(manager.read(*span, msname, text, store.name, interval=None))
    assert 0 == len(manager.read(*span, msname, "v", store.name, {"k": text}, interval=None))
    if text != "$":
        assert 0 == len(manager.read(*span, msname, "v", store.name, {text: "a"}, interval=None))
    assert 0 == len(manager.read_all_fields(*span, msname, store.name, {"k": [text, text + "x"]}))
    assert {} == manager.read_last_data_point(store.name, msname, text)
    assert [] == manager.get_fields(store.name, text)
    empty = manager.read_accumulated_value(*span, msname, text, store.name, 10)
    assert [text] == list(empty.columns)
    assert 0 == len(manager.read_average_value_in_seconds(store.name, msname, "v", 60, {"k": text}))


def test_the_tag_that_the_server_takes_for_the_value_is_refused_as_a_filter(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """InfluxDB's storage calls the value `$`, so a filter on such a tag would find nothing, silently."""
    store.write(f"{msname},$=a v=1 {T0}", f"{msname},$=b v=2 {T0}")
    span = (START, STOP, msname, "v", store.name)

    with pytest.raises(InvalidArgumentError) as caught:
        manager.read(*span, {"$": "a"}, interval=None)

    assert "tags" == caught.value.argument
    assert [1.0, 2.0] == manager.read(*span, interval=None)["v"].tolist()


BUCKETS = [name for name, text in TEXTS.items() if '"' not in text and len(text) < 1000]


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_may_have_any_name(
    manager: InfluxManager, make_store: Callable[[str], Store], name: str
) -> None:
    """What the server takes as a bucket's name can be written to and read from, also beside its namesakes."""
    store = make_store(TEXTS[name])
    frame = pd.DataFrame({"v": [1.5]}, index=INDEX)

    manager.synchronous_write(store.name, frame, "m")

    assert_frame_equal(frame, manager.read(START, STOP, "m", "v", store.name, interval=None))
    assert {"v": 1.5} == manager.read_last_data_point(store.name, "m", "v")
    assert ["m"] == manager.get_measurements_on_bucket(store.name)
    assert ["v"] == manager.get_fields(store.name, "m")
    flux = "from(bucket: params.name) |> range(start: 2026-01-01T00:00:00Z)"
    assert [1.5] == manager.query(flux, {"name": store.name})["_value"].tolist()


def test_names_meet_no_hostile_neighbour(manager: InfluxManager, own_store: Store) -> None:
    """All carried texts at once as values of one tag: each is its own series, read back in one frame."""
    texts = sorted(text for text in TEXTS.values() if not uncarried("tag value", text) and "\r" not in text)
    frame = pd.DataFrame(
        {"v": range(len(texts)), "k": texts}, index=pd.DatetimeIndex([START] * len(texts), name="time")
    )

    manager.synchronous_write(own_store.name, frame, "m", tag_columns=["k"])

    got = manager.read(START, STOP, "m", "v", own_store.name, {"k": texts}, interval=None)
    assert dict(zip(texts, range(len(texts)), strict=True)) == dict(
        zip(got.index.get_level_values("k"), got["v"], strict=True)
    )
