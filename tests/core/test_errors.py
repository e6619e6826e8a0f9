"""The exception tree: what each error is, and that it travels."""

from __future__ import annotations

import pickle

import pytest

from db_core import errors

RESEMBLES = {
    "AmbiguousSeriesError": ValueError,
    "AuthenticationError": PermissionError,
    "ComputationFailedError": RuntimeError,
    "ConfigurationError": ValueError,
    "ConnectionFailedError": ConnectionError,
    "IncompleteResultError": EOFError,
    "InvalidArgumentError": ValueError,
    "MissingLibraryError": ImportError,
    "NotFoundError": LookupError,
    "DiskSpaceError": OSError,
    "OperationTimeoutError": TimeoutError,
    "ParseError": ValueError,
    "SchemaConflictError": ValueError,
    "SerializationError": ValueError,
}
# A WriteError holds the others.
ERRORS = [name for name in errors.__all__ if name not in ("Rejection", "UnwrittenPoint")]
RESEMBLES_NOTHING = {"CopyError", "DatabaseError", "QueryError", "WriteError"}

ATTRIBUTES: dict[str, dict[str, object]] = {
    "AuthenticationError": {"code": "NOPERM"},
    "ConnectionFailedError": {"code": "LOADING"},
    "CopyError": {"copied": ("a", "b"), "measurement": "c", "until": "2026-01-01T00:00:00Z"},
    "InvalidArgumentError": {"argument": "start"},
    "ParseError": {"offset": 123, "table": 2, "row": 4},
    "QueryError": {"code": "invalid", "status": 400},
    "SerializationError": {"path": "$.meters[3].power"},
    "WriteError": {
        "accepted": 10,
        "rejected": (errors.Rejection(3, 4, 1, "a field type conflict"),),
        "frame": None,
        "status": 422,
        "points": (errors.UnwrittenPoint("m v=1 1", "a field type conflict"),),
    },
}


def test_the_tables_here_are_whole() -> None:
    """Every error of the module is in one of the tables of this file."""
    assert set(ERRORS) == RESEMBLES.keys() | RESEMBLES_NOTHING


def test_a_missing_library_is_a_setting_too() -> None:
    """`except ConfigurationError` catches it, as `except ImportError` does."""
    with pytest.raises(errors.ConfigurationError, match=r"^pip install x$"):
        raise errors.MissingLibraryError("pip install x")


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_a_database_error(name: str) -> None:
    """One `except DatabaseError` catches them all."""
    assert issubclass(getattr(errors, name), errors.DatabaseError)


@pytest.mark.parametrize(("name", "built_in"), RESEMBLES.items())
def test_an_error_is_the_built_in_it_resembles(name: str, built_in: type[Exception]) -> None:
    """Code that knows only the built-in catches ours too."""
    with pytest.raises(built_in, match="what happened"):
        raise getattr(errors, name)("what happened")


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_travels_between_processes(name: str) -> None:
    """Pickling keeps type, text and attributes."""
    attributes = ATTRIBUTES.get(name, {})
    error = getattr(errors, name)("what happened", **attributes)

    travelled = pickle.loads(pickle.dumps(error))

    assert type(error) is type(travelled)
    assert "what happened" == str(travelled)
    assert attributes == vars(travelled)


@pytest.mark.parametrize(("name", "attributes"), ATTRIBUTES.items())
def test_an_attribute_that_is_not_known_is_empty(name: str, attributes: dict[str, object]) -> None:
    """Every attribute is there even when the raiser knows nothing to put in."""
    error = getattr(errors, name)("what happened")

    assert {
        attribute: () if attribute in ("copied", "rejected", "points") else None for attribute in attributes
    } == vars(error)
