"""A bucket, as `list_buckets` and `create_bucket` return it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

__all__ = ["Bucket"]


class Bucket(NamedTuple):
    """A bucket of the organization.

    Attributes:
        name: Its name.
        retention: How long it keeps points; None is for ever.
        shard_duration: The time that each of its shards covers.
        id: Its ID: 16 hexadecimal digits.
    """

    name: str
    retention: timedelta | None
    shard_duration: timedelta
    id: str

    @classmethod
    def of(cls, told: Any) -> Bucket:
        """Return what the server tells of a bucket."""
        rule: dict[str, int] = next(iter(told["retentionRules"]), {})
        seconds = rule.get("everySeconds", 0)
        return cls(
            told["name"],
            timedelta(seconds=seconds) if seconds else None,
            timedelta(seconds=rule.get("shardGroupDurationSeconds", 0)),
            told["id"],
        )
