"""JSON values and frames in Redis: `RedisClient`, and `AsyncRedisClient` for asyncio.

Errors are those of `db_core.errors`.
"""

from db_redis._async_client import AsyncRedisClient
from db_redis._client import RedisClient

__all__ = ["AsyncRedisClient", "RedisClient"]
