"""Read the body of an HTTP message from the bytes of a connection."""

from __future__ import annotations

from db_core._native import HttpBody

__all__ = ["HttpBody"]
