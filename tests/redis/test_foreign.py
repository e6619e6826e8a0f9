"""What other libraries raise over an argument or a value leaves as a `DatabaseError`."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import redis
import redis.asyncio

from db_core.errors import ConfigurationError, InvalidArgumentError, SerializationError
from db_redis import AsyncRedisClient, RedisClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools import servers


@dataclasses.dataclass(eq=False)
class Unset:
    """Has a field without a value, so its `repr` fails."""

    field: int = dataclasses.field(init=False)


@pytest.mark.parametrize(
    ("expiration", "seconds"),
    [
        (np.timedelta64(90, "s"), 90),
        (np.timedelta64(2, "m"), 120),
        (np.timedelta64(1500, "ms"), 1.5),
        (np.timedelta64(1, "W"), 604_800),
        (pd.Timedelta(1, "h"), 3600),
        (timedelta(days=1), 86_400),
    ],
    ids=str,
)
def test_lengths_of_every_library_are_expirations(store: Any, expiration: Any, seconds: float) -> None:
    """Also numpy's, of each unit of a fixed length."""
    store.save_in_redis_with_expiration("k", 1, expiration)
    assert seconds - 1 < store.ttl("k") <= seconds
    store.touch("k", expiration)
    assert seconds - 1 < store.ttl("k") <= seconds


@pytest.mark.parametrize(
    "expiration",
    [
        *(np.timedelta64("NaT", "s"), np.timedelta64(1, "Y"), np.timedelta64(-1, "s")),
        *(np.timedelta64(2**62, "W"), np.datetime64("2026"), pd.NaT, 10**400),
        *(np.array([1, 2]), pl.Series([1]), Unset()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_expiration_is_refused(store: Any, expiration: Any) -> None:
    """A length that is missing, has no unit or no fixed length; and as default and jitter of a client."""
    with pytest.raises(InvalidArgumentError, match="`expiration_in_seconds`"):
        store.save_in_redis_with_expiration("k", 1, expiration)
    with pytest.raises(InvalidArgumentError, match="`ttl`"):
        store.get_or_compute("k", lambda: 1, ttl=expiration)
    with pytest.raises(ConfigurationError, match="`default_ttl`"):
        RedisClient(default_ttl=expiration)
    with pytest.raises(ConfigurationError, match="`ttl_jitter`"):
        RedisClient(ttl_jitter=expiration)


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([2**31 - 1], dtype=pl.Int32).cast(pl.Date),
        pl.Series([2**62]).cast(pl.Datetime("ms")),
        pl.Series([-(2**60)]).cast(pl.Datetime("ms", "Europe/Lisbon")),
        pl.Series([2**62]).cast(pl.Duration("us")),
        pl.Series([[2**31 - 1]], dtype=pl.List(pl.Int32)).cast(pl.List(pl.Date)),
    ],
    ids=lambda series: str(series.dtype),
)
@pytest.mark.parametrize("nan", ["null", "string", "error"])
def test_a_polars_time_that_python_has_not_is_an_error(
    make: Callable[..., Any], series: pl.Series, nan: str
) -> None:
    """It panics over it, which is no `Exception`; a duration alone can be written."""
    store = make(nan=nan)
    if series.dtype == pl.Duration:
        store.save_in_redis("k", series)
        assert ["P53375995DT14H27.387904S"] == store.safe_read_from_redis("k")
        return
    for value in (series, series.to_frame("a")):
        with pytest.raises(SerializationError, match=r"\$\.deep.*can't be written"):
            store.save_in_redis("k", {"deep": value})
        with pytest.raises(SerializationError):
            store.get_or_compute("k", lambda value=value: value, ttl=60)
    assert store.safe_read_from_redis("k") is None


def test_a_dataclass_without_a_value_is_an_error(store: Any) -> None:
    """As a value, within one, as a key of a dict, and as an argument, whose text fails too."""
    for value in (Unset(), [Unset()], {Unset(): 1}, {"a": {Unset()}}, {(Unset(),): 1}):
        with pytest.raises(SerializationError, match="can't be written"):
            store.save_in_redis("k", value)
    odd: Any = Unset()
    for call in (
        lambda: store.safe_read_from_redis(odd),
        lambda: store.read_many([odd]),
        lambda: store.read_frame("k", odd),
        lambda: store.save_many({}, chunk_bytes=odd),
        lambda: store.save_many({}, atomic=odd),
        lambda: store.get_or_compute("k", lambda: 1, ttl=1, on_outage=odd),
    ):
        with pytest.raises(InvalidArgumentError):
            call()


@pytest.mark.parametrize(
    "odd", [np.array(["null", "x"]), pd.Series([1, 2]), pl.Series([1]), Unset()], ids=type
)
def test_a_choice_that_is_no_text_is_refused(store: Any, odd: Any) -> None:
    """Also one that is compared element by element."""
    with pytest.raises(ConfigurationError, match="`nan`"):
        RedisClient(nan=odd)
    with pytest.raises(InvalidArgumentError, match="`on_outage`"):
        store.get_or_compute("k", lambda: 1, ttl=1, on_outage=odd)


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-7", "cp037", "punycode", "hex", "no-such", "latin-1", "ascii"]
)
@pytest.mark.parametrize("decodes", [False, True])
def test_a_given_client_of_another_encoding(
    server: servers.Redis, namespace: str, encoding: str, *, decodes: bool
) -> None:
    """It is refused where commands would be other bytes; else it makes no difference."""
    options: dict[str, Any] = {"encoding": encoding, "decode_responses": decodes, "password": server.password}
    given = redis.Redis(server.host, server.port, **options)
    if encoding not in ("latin-1", "ascii"):
        with pytest.raises(ConfigurationError, match="`client` must have an encoding"):
            RedisClient(client=given)
        with pytest.raises(ConfigurationError, match="`client` must have an encoding"):
            AsyncRedisClient(client=redis.asyncio.Redis(host=server.host, port=server.port, **options))
        return
    with given:
        client = RedisClient(client=given, namespace=namespace)
        client.save_in_redis("é", {"a": "ü"})
        assert {"a": "ü"} == client.safe_read_from_redis("é")
        assert {"é": {"a": "ü"}} == client.read_many(["é"])
        assert ["é"] == list(client.scan())
        assert 1 == client.get_or_compute("k", lambda: 1, ttl=60, stale=60)
