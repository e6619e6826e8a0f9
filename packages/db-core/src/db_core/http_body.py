"""The body of an HTTP message, taken out of a connection's bytes."""

from __future__ import annotations

from db_core._native import HttpBody

__all__ = ["HttpBody"]
