"""InfluxQL's answers in msgpack, as a real InfluxDB gave them, beside its JSON of the same query."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from db_core import (
    AmbiguousSeriesError,
    Frame,
    IncompleteResultError,
    InvalidArgumentError,
    ParseError,
    QueryError,
    SchemaConflictError,
)
from db_core.annotated_csv import BatchDecoder, split, union
from db_core.influxql import SeriesDecoder
from db_core.pivot import pivot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db_core.annotated_csv import Answer

GOLDEN = Path(__file__).parents[1] / "golden"
RECORDED = ["every_field", "no_series", "series", "series_names", "several_statements", "windows"]
MARCH_1 = 1_709_251_200_000_000_000  # 2024-03-01T00:00:00Z
TEXT = 'a, "b"\nc\\d größe 🔌'
KINDS = [("f", "float64"), ("i", "int64"), ("u", "uint64"), ("b", "bool"), ("t", "string")]


def recorded(name: str) -> bytes:
    """Return the bytes of an answer in msgpack."""
    return (GOLDEN / f"{name}.msgpack").read_bytes()


def decode(
    answer: bytes, fields: Sequence[tuple[str, str]] | None = None, *, require_end: bool = True
) -> Answer:
    """Decode an answer in one piece."""
    decoder = SeriesDecoder(fields)
    decoder.feed(answer)
    return decoder.finish(require_end=require_end)


def rows_of(frames: Sequence[Frame]) -> list[dict[str, Any]]:
    """Return the rows one by one, without what is null."""
    rows = []
    for frame in frames:
        columns = frame.to_pydict()
        rows += [
            {name: values[row] for name, values in columns.items() if values[row] is not None}
            for row in range(len(frame))
        ]
    return rows


def rows_of_json(name: str) -> list[dict[str, Any]]:
    """Return the same of the server's JSON."""
    rows = []
    for result in json.loads((GOLDEN / f"{name}.json").read_text())["results"]:
        for series in result.get("series", []):
            head = {"_measurement": series["name"], **series.get("tags", {})}
            rows += [head | dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
    # A tag that a series lacks is empty in JSON.
    tags = {"id", "site"}
    return [
        {key: value for key, value in row.items() if value is not None and (value != "" or key not in tags)}
        for row in rows
    ]


def by_key(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows in an order that does not depend on that of their series or columns."""

    def spelled(value: Any) -> str:
        # JSON has 7 for a float.
        is_whole = isinstance(value, float) and value.is_integer()
        return repr(int(value) if is_whole else value)

    return sorted(repr(sorted((name, spelled(value)) for name, value in row.items())) for row in rows)


@pytest.mark.parametrize("name", RECORDED)
def test_an_answer_holds_the_rows_of_the_servers_json(name: str) -> None:
    """Every value, tag and time of the same query as JSON is there, one series after the other."""
    expected = rows_of_json(name)

    assert expected == rows_of([union(decode(recorded(name)))])
    assert by_key(expected) == by_key(rows_of(split(decode(recorded(name)))))


@pytest.mark.parametrize("name", RECORDED)
def test_every_split_gives_the_same_answer(name: str) -> None:
    """Pieces may end anywhere, also within a number or a text."""
    answer = recorded(name)
    expected = union(decode(answer)).to_pydict()
    for size in (1, 2, 3, 7, 64):
        decoder = SeriesDecoder()
        for start in range(0, len(answer), size):
            decoder.feed(answer[start : start + size])

        assert expected == union(decoder.finish()).to_pydict()


def test_declared_fields_have_their_names_and_types() -> None:
    """The names of the answer are not looked at, and a field without a value keeps its type."""
    frame = pivot([decode(recorded("series"), KINDS)], fields=[name for name, _ in KINDS])

    assert ["id", "site", "time"] == frame.index
    assert {
        "id": ["a", "a", "b"],
        "site": ["north", "north", None],
        "time": [MARCH_1 - 1, MARCH_1, MARCH_1 + 1],
        "f": [1.5, -0.1, 5e-324],
        "i": [2**53 + 1, -(2**63), None],
        "u": [2**64 - 1, 0, None],
        "b": [True, False, None],
        "t": ["plain", "", TEXT],
    } == frame.to_pydict()
    assert dict(KINDS) == {name: frame.kinds[name] for name, _ in KINDS}


def test_an_empty_text_is_told_from_none() -> None:
    """The server's CSV writes both the same way."""
    for empty_text in (True, False):
        frame = pivot([decode(recorded("every_field"))], fields=["text"], empty_text=empty_text)

        assert ["plain", "", TEXT] == frame.to_pydict()["text"][:3]


def test_of_every_field_those_without_a_value_are_left_out() -> None:
    """They can't be told from fields that other series have."""
    fields = [
        ("float", "float64"),
        ("absent", "int64"),
        ("uint", "uint64"),
        ("bool", "bool"),
        ("text", "string"),
    ]
    answer = recorded("series").replace(bytes([0xD3]) + (2**53 + 1).to_bytes(8), b"\xc0")
    answer = answer.replace(bytes([0xD3]) + (-(2**63)).to_bytes(8, signed=True), b"\xc0")

    assert ["bool", "float", "text", "uint"] == pivot([decode(answer, fields)]).columns[3:]
    frame = pivot([decode(answer, fields)], fields=["absent", "float"])
    assert "int64" == frame.kinds["absent"]
    assert [None, None, None] == frame.to_pydict()["absent"]


def test_a_value_of_another_type_than_declared_is_a_conflict() -> None:
    """The field was written with another type since its type was asked for."""
    for place, (name, kind) in enumerate(KINDS):
        other = {"float64": "int64", "int64": "float64"}.get(kind, "int64" if kind != "uint64" else "bool")
        fields = [*KINDS[:place], (name, other), *KINDS[place + 1 :]]

        with pytest.raises(SchemaConflictError, match=rf'column "{name}": expected \w+ as declared, got '):
            decode(recorded("series"), fields)


def test_series_meet_where_their_tags_are_no_level() -> None:
    """A null is no value, so that only two values of one field and time are ambiguous."""
    frame = pivot([decode(recorded("windows"))], fields=["count"], by=["nothing"])
    assert [1, 1, 0] == frame.to_pydict()["count"]

    for field in ("mean", "last"):
        with pytest.raises(AmbiguousSeriesError, match=f'field "{field}" at 2024-03-01T00:00:00Z: 2 series'):
            pivot([decode(recorded("windows"))], fields=["count", field], by=["nothing"])


def test_an_answer_that_is_cut_is_incomplete() -> None:
    """Wherever the end is missing, also between two messages of one statement."""
    for name in ("series", "windows"):
        answer = recorded(name)
        for length in range(len(answer)):
            with pytest.raises(IncompleteResultError, match="cut off"):
                decode(answer[:length])
    first = recorded("series").index(b"\x81\xa7results", 1)
    assert 1 == decode(recorded("series")[:first], require_end=False).rows
    with pytest.raises(IncompleteResultError):
        decode(recorded("series")[: first + 1], require_end=False)


def test_an_error_behind_rows_is_the_servers() -> None:
    """The rows before it do not matter."""
    with pytest.raises(QueryError, match=r"^not implemented: DROP DATABASE$"):
        decode(recorded("failed_after_rows"))


def test_other_bytes_are_an_error_with_their_place() -> None:
    """The message says what was expected and what came; the attributes say where."""
    with pytest.raises(ParseError, match="expected a map, a message, got a text") as caught:
        decode(b"\xa7results")
    assert 0 == caught.value.offset
    with pytest.raises(ParseError, match="columns, expected 3: time and the fields"):
        decode(recorded("series"), KINDS[:2])
    with pytest.raises(
        InvalidArgumentError, match='expected the type of a field, such as float64, got "decimal"'
    ):
        SeriesDecoder([("f", "decimal")])


def test_a_finished_decoder_takes_no_more() -> None:
    """What the server said beside the answer stays."""
    decoder = SeriesDecoder()
    message = b"\x82\xa5level\xa7warning\xa4text\xa4slow"
    decoder.feed(b"\x81\xa7results\x91\x83\xacstatement_id\x00\xa8messages\x91" + message + b"\xa6series\x90")
    assert ["warning: slow"] == decoder.messages()

    assert 0 == decoder.finish().rows
    assert ["warning: slow"] == decoder.messages()
    with pytest.raises(ParseError, match="the decoder is finished"):
        decoder.feed(b"")
    with pytest.raises(ParseError, match="the decoder is finished"):
        decoder.finish()


def test_batches_are_those_of_csv() -> None:
    """Frames of so many rows, each of one layout, and no row is lost between them."""
    decoder = BatchDecoder(1, decoder=SeriesDecoder())
    frames = [frame for byte in recorded("windows") for frame in decoder.feed(bytes([byte]))]
    frames += decoder.finish()

    assert [1] * 6 == [len(frame) for frame in frames]
    assert rows_of_json("windows") == rows_of(frames)


def test_threads_may_share_a_decoder() -> None:
    """Each piece is decoded once, though in whatever order; here all pieces are whole answers."""
    decoder = SeriesDecoder(KINDS)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(decoder.feed, [recorded("series")] * 100))

    assert 300 == decoder.finish().rows
