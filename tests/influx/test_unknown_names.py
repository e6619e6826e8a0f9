"""Names that do not exist are told of whatever InfluxQL knows the bucket by, and where there are no rows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

TOLD: list[tuple[dict[str, Any], str]] = [
    ({"tags": {"Meter": "a"}}, "no tag 'Meter' in 'm'; there is 'meter'"),
    ({"tags": {"meter": "A"}}, "no tag 'meter' with the value 'A' in 'm'; there is 'a'"),
    ({"by": ["metre"]}, "no tag 'metre' in 'm'; there is 'meter'"),
    ({"msname": "M"}, "no measurement 'M' in bucket '{bucket}'; there is 'm'"),
]


def told(manager: InfluxManager, store: Store, **options: Any) -> list[str]:
    """Return the warnings of a read that finds nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = manager.read(
            "2026-02-01", "2026-02-02", fields="v", bucket=store.name, **{"msname": "m", **options}
        )
    assert 0 == len(frame)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(("options", "expected"), TOLD)
@pytest.mark.parametrize("start", ["test-", "energy/test-", "a/b/test-"])
def test_a_mistyped_name_is_told_in_a_bucket_of_any_name(
    manager: InfluxManager,
    make_store: Callable[[str], Store],
    start: str,
    options: dict[str, Any],
    expected: str,
) -> None:
    """A bucket with a slash in its name is no default retention policy, and a level is told without rows."""
    store = make_store(start)
    store.write("m,meter=a v=1 1767225600000000000")

    assert [expected.format(bucket=store.name)] == told(manager, store, **options)


def test_a_tag_is_told_that_is_asked_of_a_measurement_without_tags(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """That there are no tags at all is no reason to be silent."""
    store.write(f"{msname} v=1 1767225600000000000")

    assert [f"no tag 'meter' in {msname!r}"] == told(manager, store, msname=msname, tags={"meter": "a"})
