"""Check what the packages' code may touch: which part imports which, who waits, no private names of others.

In `db_influx` a manager imports plans and a wire; a plan imports no wire and nothing of requests; a wire and
what is about requests import no plan and no manager. The command line imports what the package exports alone.
Only the wires import what opens sockets or waits; the
reads of a snapshot, which are of files, have threads besides.

In all packages a private name (`_x`) is one of ours: it belongs to `self`, `cls` or `super()` and is defined
in the same package, or it is defined in the same file. This does not see a name that is made up at run time,
nor a name that we and a library both use: `tests/test_private_names.py` compares our classes with those that
they extend.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = Path(__file__).parents[1] / "packages"
_PARTS = {
    **dict.fromkeys(["__init__", "_manager", "_async_manager", "methods", "_base"], "managers"),
    **dict.fromkeys(["_connection", "_partition", "_snapshot"], "managers"),
    "plans": "plans",
    "cli": "cli",
    **dict.fromkeys(["_wire", "_async_wire", "_point_writer", "_async_point_writer"], "wires"),
    **dict.fromkeys(
        ["_requests", "_server", "_exchange", "_refusals", "_attempts", "_http", "_io"], "requests"
    ),
}
_MAY_IMPORT = {
    "cli": {"cli", "public API"},
    "managers": {"managers", "public API", "plans", "wires", "requests", "helpers"},
    "plans": {"plans", "helpers"},
    "wires": {"requests", "helpers"},
    "requests": {"requests", "helpers"},
    "helpers": {"helpers"},
}
_WAITING = {"asyncio", "concurrent", "queue", "select", "selectors", "socket"}
_WAITS_FOR_FILES = {("_stored", "concurrent")}
_BY_NAME = {"getattr", "hasattr", "setattr", "delattr", "attrgetter", "methodcaller"}


def faults(packages: Path) -> Iterator[str]:
    """Yield a line for each thing in the packages' sources that is not allowed."""
    for source in sorted(packages.glob("*/src/*")):
        trees = {path: ast.parse(path.read_text()) for path in sorted(source.rglob("*.py"))}
        defined = {path: set(_defined(tree)) for path, tree in trees.items()}
        of_package = set().union(*defined.values())
        for path, tree in trees.items():
            found = [*_private(tree, defined[path], of_package)]
            if source.name == "db_influx":
                found += _across(path.relative_to(source), tree)
            yield from (f"{path.relative_to(packages.parent)}:{line}: {fault}" for line, fault in found)


def _across(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the imports and waits of a module of `db_influx` that its part may not have."""
    part = _part(path.with_suffix("").as_posix())
    for line, name in _imported(tree):
        first, _, rest = name.partition(".")
        if first in _WAITING and part != "wires" and (path.stem, first) not in _WAITS_FOR_FILES:
            yield line, f"imports {first}: only a wire opens sockets or waits"
        if first == "db_influx" and (other := _part(rest.replace(".", "/"))) not in _MAY_IMPORT[part]:
            yield line, f"{part} import {name}, which is of the {other}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "sleep" and part != "wires":
            yield node.lineno, "sleeps: only a wire waits"


def _part(module: str) -> str:
    """Return the part that a module is of; a name in capitals is a class that the package exports."""
    first = module.partition("/")[0]
    if first[:1].isupper():
        return "public API"
    return _PARTS.get(first, "helpers" if first.startswith("_") else "managers")


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the lines and names of all imports: those in functions and for annotations too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{one.name}") for one in node.names)


def _private(tree: ast.Module, in_file: set[str], in_package: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the private names that are not ours."""
    for line, name in _imported(tree):
        if not name.startswith("db_") and _is_private(name):
            yield line, f"imports {name}, which is private"
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value, name) if _is_private(name):
                own = ast.unparse(value) in ("self", "cls", "super()")
                if name not in (in_package if own else in_file):
                    yield node.lineno, f"{ast.unparse(node)} is private, and not defined here"
            case ast.Call(ast.Name(name) | ast.Attribute(attr=name), arguments) if name in _BY_NAME:
                texts = [one.value for one in arguments if isinstance(one, ast.Constant)]
                for text in texts:
                    if isinstance(text, str) and _is_private(text):
                        yield node.lineno, f"{name} of {text!r}, which is private"


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a file defines: functions, classes, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.Name(name, ast.Store()):
                yield name
            case ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
                yield name


def _is_private(name: str) -> bool:
    """Tell whether a part of a dotted name is private."""
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def main() -> int:
    """Print each fault; return 1 if there is one."""
    found = list(faults(PACKAGES))
    print(*found, sep="\n", end="\n" if found else "")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main())
