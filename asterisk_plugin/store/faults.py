"""Foreign exceptions to ours. Nothing else in this folder lets one of redis-py's out."""

from __future__ import annotations

import redis.exceptions

from asterisk_plugin.errors import StoreCorruptError, StoreError, StoreTimeoutError, StoreUnreachableError

FOREIGN = (redis.exceptions.RedisError, OSError)
"""What redis-py and the sockets under it raise; TimeoutError is an OSError."""


def translated(exc: Exception) -> StoreError:
    """Our error for one of redis-py's, of a socket, or of a timer.

    Args:
        exc: What was raised. Its text comes from the server or the system, never from us, so
            it holds no password.
    """
    if isinstance(exc, StoreError):
        return exc
    if isinstance(exc, (redis.exceptions.TimeoutError, TimeoutError)):
        return StoreTimeoutError("the store did not answer in time")
    text = _one_line(exc)
    # Redis 6.2 wraps what a script ran into in its own sentence, so the word may stand anywhere.
    if "WRONGTYPE" in text:
        return StoreCorruptError(f"a key of the store holds the wrong type of value: `{text}`")
    if isinstance(exc, redis.exceptions.ResponseError):
        return StoreUnreachableError(f"the store refused: `{text}`")
    return StoreUnreachableError(f"the store cannot be reached: `{text}`")


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200] or type(exc).__name__
