"""Every text that a query or its parameters can be, against every hostile text.

A parameter is a value and never becomes code; a query is code, and finds nothing where it is none.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import DatabaseError, InvalidArgumentError, NotFoundError
from tests.security.hostile import TEXTS

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.security.influx_world import (
        World,
    )


@pytest.mark.parametrize("method", ["query", "query_batches"])
def test_a_parameter_is_a_value(shared: InfluxManager, world: World, method: str) -> None:
    """As a value, a name of one, and the name of a bucket: each is what it says, and no more."""

    def ask(flux: str, params: dict[str, Any]) -> list[Any]:
        found = getattr(shared, method)(flux, params)
        frames = [found] if method == "query" else list(found)
        return [value for frame in frames for value in frame["_value"]]

    table = 'import "array" array.from(rows: [{{_value: params[{}]}}])'
    for name, text in TEXTS.items():
        try:
            # The server leaves carriage returns out of what it sends.
            assert [text.replace("\r", "")] == ask(table.format('"a"'), {"a": text}), name
            assert ["x"] == ask(table.format('"a"'), {"a": "x", text: "y"}), name
            found = ask("from(bucket: params.a) |> range(start: -1h) |> last()", {"a": text})
        except InvalidArgumentError as error:
            assert "\ud800" in text
            assert "params" == error.argument
        except NotFoundError:
            assert name not in world.buckets, name
        else:
            assert [world.written["bucket", name][1]] == found, name


@pytest.mark.filterwarnings("ignore:InfluxQL knows bucket '/")
@pytest.mark.parametrize("method", ["query_influxql", "query_influxql_batches"])
def test_a_parameter_of_influxql_is_a_value(shared: InfluxManager, world: World, method: str) -> None:
    """As the value of a tag, as a name of one, and as the name of a bucket: each finds what it says."""

    def ask(influxql: str, params: dict[str, Any], bucket: str) -> list[float]:
        found = getattr(shared, method)(influxql, params, bucket=bucket)
        frames = [found] if method == "query_influxql" else list(found)
        return [value for frame in frames if "v" in frame for value in frame["v"]]

    text_of_tag = 'SELECT "v"::field FROM "values" WHERE "k"::tag = $a'
    for name, text in TEXTS.items():
        written = world.written.get(("tag value", name))
        try:
            found = ask(text_of_tag, {"a": text}, world.home.name)
            assert found == ([0.0, written[1]] if written else []), name
            assert [] == ask(text_of_tag, {"a": "no such value", text: "x"}, world.home.name), name
        except InvalidArgumentError as error:
            assert "\ud800" in text
            assert "params" == error.argument
            continue
        with suppress(NotFoundError):
            found = ask('SELECT "v"::field FROM "m"', {}, text)
            assert [0.0, world.written["bucket", name][1]] == found, name


@pytest.mark.parametrize("method", ["query", "query_batches", "query_influxql", "query_influxql_batches"])
def test_a_query_is_code_and_cannot_come_apart(shared: InfluxManager, world: World, method: str) -> None:
    """The text is the caller's code. What is no code is an error, and nothing is found by it."""
    for text in TEXTS.values():
        with pytest.raises(DatabaseError):
            list(getattr(shared, method)(text))
    assert 8 == len(world.canaries())
