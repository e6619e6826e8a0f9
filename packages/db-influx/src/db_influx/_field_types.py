"""The types of fields, by InfluxQL's names, and what a frame holds of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["KINDS", "FieldTypes"]

FieldTypes: TypeAlias = Mapping[str, tuple[str, ...]]

KINDS = {"float": "float64", "integer": "int64", "unsigned": "uint64", "boolean": "bool", "string": "string"}
