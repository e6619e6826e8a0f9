"""Names that do not exist: a warning that names what is near, an error, or nothing, as `missing` says."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from db_core.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
DAY = 86_400_000_000_000
JANUARY = ("2026-01-01", "2026-02-01")
FEBRUARY = ("2026-02-01", "2026-03-01")

READS: dict[str, Callable[..., Any]] = {
    "read": lambda m, b, measurement, field, **o: m.read(*JANUARY, measurement, field, b, **o),
    "several functions": lambda m, b, measurement, field, **o: m.read(
        *JANUARY, measurement, field, b, agg_func=["count", "median"], **o
    ),
    "stored points": lambda m, b, measurement, field, **o: m.read(
        *JANUARY, measurement, field, b, interval=None, **o
    ),
    "batches": lambda m, b, measurement, field, **o: list(
        m.read_batches(*JANUARY, measurement, field, b, **o)
    ),
    "consumption": lambda m, b, measurement, field, **o: m.read_accumulated_value(
        *JANUARY, measurement, field, b, 60, **o
    ),
    "consumption in seconds": lambda m, b, measurement, field, **o: m.read_accumulated_value_in_seconds(
        *JANUARY, measurement, field, b, 3600, **o
    ),
    "average": lambda m, b, measurement, field, **o: m.read_average_value_in_seconds(
        b, measurement, field, "3000d", **o
    ),
    "last point": lambda m, b, measurement, field, **o: m.read_last_data_point(b, measurement, field, **o),
    "last points": lambda m, b, measurement, field, **o: m.read_last_data_points(b, measurement, field, **o),
}


@pytest.fixture(scope="module")
def energy(store: Store) -> Store:
    """Give a bucket with two measurements, of which one has two meters."""
    store.write(
        *(
            f"energy,meter={meter},site=north kwh={day}i,power=0.5 {T0 + day * DAY}"
            for meter in "AB"
            for day in range(3)
        ),
        f"weather temperature=1.5 {T0}",
    )
    return store


ABSENT: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "measurement": ("Energy", "kwh", {}, r"no measurement 'Energy' in bucket '.*'; there is 'energy'"),
    "field": ("energy", "kWh", {}, r"no field 'kWh' in 'energy'; there is 'kwh'"),
    "tag": (
        "energy",
        "kwh",
        {"tags": {"Meter": "A"}},
        r"no tag 'Meter' in 'energy'; there is 'meter'",
    ),
    "value": (
        "energy",
        "kwh",
        {"tags": {"meter": "a"}},
        r"no tag 'meter' with the value 'a' in 'energy'; there is 'A'",
    ),
}


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize("name", READS)
def test_a_name_that_does_not_exist_is_told(
    make_manager: Callable[..., InfluxManager], energy: Store, name: str, absent: str
) -> None:
    """A warning on the caller's line, or an error, or nothing: for the manager and for the call."""
    measurement, field, options, told = ABSENT[absent]
    read = READS[name]
    raising, silent = make_manager(missing="raise"), make_manager(missing="ignore")
    asked = (energy.name, measurement, field)

    with pytest.warns(UserWarning, match=told) as caught:
        read(make_manager(), *asked, **options)
    assert {__file__} == {warning.filename for warning in caught}
    assert all(0 <= warning.lineno - read.__code__.co_firstlineno < 4 for warning in caught)
    with pytest.warns(UserWarning, match=told):
        read(silent, *asked, **options, missing="warn")
    for manager, given in ((raising, {}), (silent, {"missing": "raise"})):
        with pytest.raises(NotFoundError, match=told):
            read(manager, *asked, **options, **given)
    for manager, given in ((silent, {}), (raising, {"missing": "ignore"})):
        assert 0 == len(read(manager, *asked, **options, **given))


@pytest.mark.parametrize(
    "name", ["read", "stored points", "consumption", "last points", "average", "batches"]
)
def test_a_level_that_no_series_has_is_told(manager: InfluxManager, energy: Store, name: str) -> None:
    """A name in `by` is compared with the tags there are."""
    chosen = {"tags": {"meter": "A"}}

    with pytest.warns(UserWarning, match="no tag 'Site' in 'energy'; there is 'site'"):
        READS[name](manager, energy.name, "energy", "kwh", **chosen, by=["Site"])
    READS[name](manager, energy.name, "energy", "kwh", **chosen, by=["site"], missing="raise")
    READS[name](manager, energy.name, "energy", "kwh", **chosen, by=[], missing="raise")


def test_each_unknown_name_has_a_warning_of_its_own(manager: InfluxManager, energy: Store) -> None:
    """Fields that are there are read all the same."""
    with pytest.warns(UserWarning) as caught:  # noqa: PT030 - the texts are compared
        frame = manager.read(
            *JANUARY, "energy", ["kwh", "Power", "volt"], energy.name, interval="1mo", by="meter"
        )
    assert [
        "no field 'Power' in 'energy'; there is 'power'",
        "no field 'volt' in 'energy'; there is 'power' or 'kwh'",
    ] == sorted(str(warning.message).replace("'kwh' or 'power'", "'power' or 'kwh'") for warning in caught)
    assert [1.0, 1.0] == frame["kwh"].tolist()
    assert frame[["Power", "volt"]].isna().all(axis=None)


def test_read_all_fields_tells_of_measurement_and_tags(manager: InfluxManager, energy: Store) -> None:
    """It names no fields, so these can't be unknown."""
    with pytest.warns(UserWarning, match="no measurement 'enrgy'.* 'energy'"):
        manager.read_all_fields(*JANUARY, "enrgy", energy.name)
    with pytest.warns(UserWarning, match="no tag 'meters'.* 'meter'"):
        manager.read_all_fields(*JANUARY, "energy", energy.name, {"meters": "A"})
    with pytest.raises(NotFoundError, match="no tag 'meter' with the value 'C'"):
        manager.read_all_fields(*JANUARY, "energy", energy.name, {"meter": "C"}, missing="raise")


@pytest.mark.parametrize("name", ["read", "stored points", "consumption", "batches", "several functions"])
def test_an_empty_range_is_not_a_missing_name(
    manager: InfluxManager, energy: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all names exist nothing is said, and a tag asked to be absent is no name."""
    monkeypatch.setitem(globals(), "JANUARY", ("2020-01-01", "2020-02-01"))

    for tags in (None, {"meter": "A"}, {"meter": ["A", "B"], "site": "north"}, {"floor": None}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert 0 == len(
                READS[name](manager, energy.name, "energy", ["kwh", "power"], tags=tags, missing="raise")
            )


def test_an_unknown_choice_is_refused(make_manager: Callable[..., InfluxManager]) -> None:
    """The error names the argument."""
    for call in (
        lambda: make_manager(missing="never"),
        lambda: make_manager().read(*JANUARY, "m", "v", "b", missing="never"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            call()
        assert "missing" == caught.value.argument


# --- Types of columns without values ------------------------------------------


def test_months_of_which_one_lacks_a_field_are_concatenated(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A field without data in one month has the type it has in the other, in each kind of read."""
    store.write(
        f'{msname} n=1i,u=1u,x=0.5,s="on",b=true {T0}',
        f"{msname} kept=1i {T0}",
        f"{msname} kept=2i {T0 + 40 * DAY}",
    )
    fields = ["n", "u", "x", "s", "b", "kept"]
    types = [pl.Int64, pl.UInt64, pl.Float64, pl.String, pl.Boolean, pl.Int64]

    def month(span: tuple[str, str], **options: Any) -> Any:
        asked: dict[str, Any] = {"agg_func": "last", **options}
        return manager.read(*span, msname, fields, store.name, into="polars", **asked)

    for options in (
        {},
        {"interval": None},
        {"agg_func": "mode"},
        {"agg_func": dict.fromkeys(fields, "first")},
    ):
        whole = pl.concat([month(JANUARY, **options), month(FEBRUARY, **options)])
        assert types == whole.dtypes[1:]
        assert [1, 2] == whole["kept"].to_list()
        assert [1, None] == whole["n"].to_list()
        assert types == month(("2020-01-01", "2020-02-01"), **options).dtypes[1:]
    counts = pl.concat([month(span, agg_func="count") for span in (JANUARY, FEBRUARY)])
    assert {pl.Int64} == set(counts.dtypes[1:])
    used = pl.concat(
        [
            manager.read_accumulated_value(
                *span, msname, ["n", "u", "x", "kept"], store.name, "1mo", into="polars"
            )
            for span in (("2020-01-01", "2020-02-01"), JANUARY, FEBRUARY)
        ]
    )
    assert 1 == used["kept"].sum()
    [january] = manager.read_batches(*JANUARY, msname, fields, store.name, into="polars")
    [february] = manager.read_batches(*FEBRUARY, msname, fields, store.name, into="polars")
    assert types == pl.concat([january, february]).dtypes[1:]
    last = manager.read_last_data_points(store.name, msname, fields, {"no": None}, into="polars")
    assert types == last.dtypes[1:]


def test_a_field_that_was_never_written_is_float64(manager: InfluxManager, store: Store, msname: str) -> None:
    """Nothing tells its type."""
    store.write(f"{msname} n=1i {T0}")

    asked: dict[str, Any] = {"msname": msname, "fields": ["never", "n"], "bucket": store.name}
    for interval in ("10m", None):
        frame = manager.read(*JANUARY, **asked, interval=interval, missing="ignore")
        assert "float64" == frame["never"].dtype
