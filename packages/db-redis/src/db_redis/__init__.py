"""JSON values in Redis: `RedisClient`.

Errors are those of `db_core.errors`.
"""

from db_redis._client import RedisClient

__all__ = ["RedisClient"]
