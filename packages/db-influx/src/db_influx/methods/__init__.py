"""The methods of both managers: their arguments, checked, and the plan that each runs.

`InfluxManager` and `AsyncInfluxManager` differ only in how they wait. The annotations are those of
`InfluxManager`; `AsyncInfluxManager` returns an awaitable or an asynchronous iterator of the same.
`db_influx/__init__.pyi` has the types of both, made of these by `tools/stub.py`.
"""

from __future__ import annotations

from db_influx.methods.managing import Managing
from db_influx.methods.partitioning import Partitioning
from db_influx.methods.querying import Querying
from db_influx.methods.reading import Reading
from db_influx.methods.saving import Saving
from db_influx.methods.writing import Writing

__all__ = ["Methods"]


class Methods(Reading, Partitioning, Querying, Saving, Writing, Managing):
    """All methods; see the managers."""
