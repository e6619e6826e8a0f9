"""A bucket, as `list_buckets` and `create_bucket` return it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

__all__ = ["Bucket"]


class Bucket(NamedTuple):
    """A bucket of the organization.

    Attributes:
        name: Name of the bucket.
        retention: How long the bucket keeps points. None means for ever.
        shard_duration: The length of time that each shard covers.
        id: ID of the bucket: 16 hexadecimal digits.
    """

    name: str
    retention: timedelta | None
    shard_duration: timedelta
    id: str

    @classmethod
    def of(cls, told: Any) -> Bucket:
        """Return a bucket as the server describes it."""
        rule: dict[str, int] = next(iter(told["retentionRules"]), {})
        seconds = rule.get("everySeconds", 0)
        return cls(
            told["name"],
            timedelta(seconds=seconds) if seconds else None,
            timedelta(seconds=rule.get("shardGroupDurationSeconds", 0)),
            told["id"],
        )
