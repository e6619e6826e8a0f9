"""The private names of our classes, beside those of the classes of other libraries that they extend."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from typing import TYPE_CHECKING

import db_core
import db_influx
import db_redis
from db_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGES = (db_core, db_influx, db_redis)
OURS = tuple(f"{package.__name__}." for package in PACKAGES)
OF_PYTHON = ("builtins", "typing", "abc", "enum")  # whose private names belong to the language


def classes(package: ModuleType) -> Iterator[type]:
    """Yield the classes of a package and its modules, but for those whose extra is not installed."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None):
        if found.name.endswith("._native"):
            continue
        try:
            module = importlib.import_module(found.name)
        except ConfigurationError:
            continue
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                yield value


def is_private(name: str) -> bool:
    """Tell whether a name begins with one underscore, or with two and is no magic method."""
    return name.startswith("_") and not name.endswith("__")


def private_names(kind: type) -> set[str]:
    """Return the private names in the source of a class: what it defines, sets or reads."""
    names = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return set(filter(is_private, names))


def extended(kind: type) -> list[type]:
    """Return the classes of other libraries that a class extends."""
    return [base for base in kind.__mro__ if not f"{base.__module__}.".startswith((*OURS, *OF_PYTHON))]


def test_no_private_name_of_a_base_is_used() -> None:
    """A class neither overrides nor reads a private name of a class of a library that it extends."""
    shared = {}
    for kind in (kind for package in PACKAGES for kind in classes(package) if extended(kind)):
        theirs: set[str] = set()
        for base in extended(kind):
            theirs |= {name for name in vars(base) if is_private(name)} | private_names(base)
        shared[kind.__name__] = private_names(kind) & theirs

    assert {"Pool", "Retry", "BackendSettings"} <= shared.keys()
    assert {name: set() for name in shared} == shared
