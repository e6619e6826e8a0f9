"""What orjson, by itself, gets wrong or can't write, and the same values here.

Each test shows the defect first. One that fails by `MENDED` is good news: see what it says.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pytest

from db_core.errors import SerializationError
from db_redis import RedisClient

if TYPE_CHECKING:
    import redis

    from tools import servers

MENDED = (
    f"orjson {version('orjson')} does this right now: keep what this test says of us in test_values.py, "
    "and remove it here and wherever the documents tell of it"
)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_not_becomes_null_silently(
    server: servers.Redis, namespace: str, plain: redis.Redis, value: float
) -> None:
    """Here it is what was asked for: null, an error or a text."""
    assert b"[null]" == orjson.dumps([value]), MENDED
    settings = (server.host, server.port, server.password)
    for nan, stored in (
        ("null", [None]),
        ("string", [{"nan": "NaN", "inf": "Infinity"}.get(str(value), "-Infinity")]),
    ):
        with RedisClient(*settings, namespace=namespace, nan=nan) as client:
            client.save_in_redis("k", [value])
            assert stored == json.loads(plain.get(f"{namespace}:k") or b"")
    with (
        RedisClient(*settings, namespace=namespace, nan="error") as client,
        pytest.raises(SerializationError, match=r"\$\[0\]"),
    ):
        client.save_in_redis("k", [value])


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Decimal("1.10"), "1.10"),
        (timedelta(minutes=1), "PT1M"),
        ({2, 1}, [1, 2]),
        (pd.Timestamp("2026-01-01T00:00:00.123456789Z"), "2026-01-01T00:00:00.123456789+00:00"),
        (pd.Series([1, 2]), [1, 2]),
        (pd.DataFrame({"v": [1]}), [{"v": 1}]),
        (pd.NA, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_it_refuses_is_written(
    client: RedisClient, namespace: str, plain: redis.Redis, value: Any, stored: Any
) -> None:
    """Each has a rule here; `RedisClient` tells them."""
    try:
        orjson.dumps(value)
    except TypeError:
        pass
    else:
        pytest.fail(MENDED)

    client.save_in_redis("k", value)

    assert stored == json.loads(plain.get(f"{namespace}:k") or b"")


def test_bytes_are_refused_with_their_path(client: RedisClient) -> None:
    """They have no JSON form, here as there; the error says where in the value they are."""
    with pytest.raises(TypeError):
        orjson.dumps({"a": [b"x"]})
    with pytest.raises(SerializationError, match=r"\$\.a\[0\]"):
        client.save_in_redis("k", {"a": [b"x"]})


def test_nanoseconds_are_cut(client: RedisClient, namespace: str, plain: redis.Redis) -> None:
    """A datetime64[ns] loses its last three digits. Here it has as many as it needs."""
    moment = np.datetime64("2026-01-01T00:00:00.123456789", "ns")
    cut = b'"2026-01-01T00:00:00.123456"'
    assert cut == orjson.dumps(moment, option=orjson.OPT_SERIALIZE_NUMPY), MENDED

    client.save_in_redis("k", moment)

    assert json.loads(plain.get(f"{namespace}:k") or b"").startswith("2026-01-01T00:00:00.123456789")
