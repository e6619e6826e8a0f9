"""Write `db_influx/__init__.pyi`, which tells type checkers the frame that each `into` gives.

The methods of both managers stand once, in `db_influx.methods`. What one returns there may be a word of
`_RETURNS`, of which this makes one signature for each kind of frame. `--check` writes nothing, and fails
where the file is not what this would write. The packages must be installed, editable or as wheels.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "packages" / "db-influx" / "src" / "db_influx"
_STUB = _PACKAGE / "__init__.pyi"
_NAMES = ["_base", "_options", "_manager", "_async_manager", "_snapshot", "_partition"]
_IMPORTING = [*sorted(_PACKAGE.glob("methods/*.py")), *(_PACKAGE / f"{name}.py" for name in _NAMES)]
_CLASSES = [
    "AsyncInfluxManager",
    "InfluxManager",
    "Partition",
    "Snapshot",
]  # the others are imported as they are
_WRITERS = [("_async_point_writer", "AsyncPointWriter"), ("_point_writer", "PointWriter")]
_HEAD = """\
# Made by tools/stub.py from the signatures in _base.py, methods/ and the managers: change those instead.
\"\"\"{docstring}\"\"\"

import os
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, Generic, Literal, Self, overload
import pandas as pd
import polars as pl
import pyarrow as pa
from typing_extensions import TypeVar
from db_core.frame import AnyFrame
{imports}

__all__ = {exported}

_FrameT_co = TypeVar("_FrameT_co", default=pd.DataFrame, covariant=True)
"""

# What `into` may be, and the frame that it names. A call that does not say takes the manager's kind.
_NAMED = {'Literal["polars"]': "pl.DataFrame", 'Literal["arrow"]': "pa.Table"}
_OF_A_CALL = {"None = None": "_FrameT_co", 'Literal["pandas"]': "pd.DataFrame", **_NAMED}
_OF_A_MANAGER = {'Literal["pandas"] = "pandas"': "pd.DataFrame", **_NAMED, "Into": "AnyFrame"}

# What a method returns, by the flag that decides, and what that may be.
_RETURNS: dict[str, tuple[str | None, dict[str, str]]] = {
    "Framed": (None, {"": "{frame}"}),
    "FramedIterator": (None, {"": "Generator[{frame}]"}),
    "Snapshot": (None, {"": "Snapshot[_FrameT_co]"}),
    "Partition | None": (None, {"": "Partition[_FrameT_co] | None"}),
    "list[Partition]": (None, {"": "list[Partition[_FrameT_co]]"}),
    "FramedOrList": ("split", {"Literal[False] = False": "{frame}", "Literal[True]": "list[{frame}]"}),
    "Newest": (
        "with_time",
        {"Literal[False] = False": "dict[str, Any]", "Literal[True]": "dict[str, tuple[pd.Timestamp, Any]]"},
    ),
}


def stub() -> str:
    """Return the text of the stub."""
    import db_influx
    from db_influx.methods import Methods

    classes = []
    for name in _CLASSES:
        owner = getattr(db_influx, name)
        parts = Methods.__bases__ if issubclass(owner, Methods) else ()
        inherited = {name: one for part in parts for name, one in _functions(part).items()}
        members = {"__init__": owner.__init__, **inherited, **_functions(owner)}
        lines = [line for function in members.values() for line in _method(name, function)]
        lines = [*_properties(owner), *lines]
        classes.append(f"class {name}(Generic[_FrameT_co]):\n" + "\n".join(lines) + "\n")
    exported = "".join(["[\n", *(f"    {name!r},\n" for name in db_influx.__all__), "]"])
    head = _HEAD.format(docstring=db_influx.__doc__, imports=_imports(), exported=exported)
    # ruff removes the imports that nothing uses, sorts the others and makes all quotes double.
    command = [
        *(sys.executable, "-m", "ruff", "check", "--quiet", "--select=I,F401,Q000", "--fix"),
        *("--stdin-filename=a.pyi", "-"),
    ]
    text = "\n".join([head, *classes])
    run = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, cwd=_ROOT, check=True)
    return run.stdout


def _properties(owner: type) -> Iterator[str]:
    if is_dataclass(owner):
        yield from (f"    {field.name}: {field.type}" for field in fields(owner))
    for name, value in vars(owner).items():
        if isinstance(value, property) and not name.startswith("_"):
            returned = inspect.signature(value.fget).return_annotation if value.fget else "Any"
            yield f"    @property\n    def {name}(self) -> {returned}: ..."


def _functions(owner: type) -> dict[str, Callable[..., Any]]:
    return {
        name: value.__func__ if isinstance(value, classmethod) else value
        for name, value in vars(owner).items()
        if (inspect.isfunction(value) or isinstance(value, classmethod))
        and (not name.startswith("_") or name.endswith(("enter__", "exit__", "tokenize__")))
    }


def _method(owner: str, function: Callable[..., Any]) -> Iterator[str]:
    """Yield the lines of a method: one signature, or one for each type that it may return."""
    signature = inspect.signature(function)
    returned = str(signature.return_annotation)  # None itself of a method that `dataclass` makes
    flag, types = _RETURNS.get(returned, (None, {"": returned}))
    made = function.__name__ == "__init__"
    of_class = "cls" in signature.parameters
    kinds = {"": ""}
    if "into" in signature.parameters:
        kinds = _OF_A_MANAGER if made or of_class else _OF_A_CALL
    if of_class:
        types = {"": f"{owner}[{{frame}}]"}
    several = len(kinds) * len(types) > 1
    for into, frame in kinds.items():
        for value, kind in types.items():
            if several:
                yield "    @overload"
            if of_class:
                yield "    @classmethod"
            known = {"into": into, flag: value, "self": f"{owner}[{frame}]" if made and into else ""}
            known["partition"] = "Partition[Any]"  # that of a manager of another kind too
            known["to"] = f"{owner}[Any] | None = None"
            given = _parameters(signature, known)
            result = kind.format(frame=frame)
            if owner.startswith("Async") and function.__module__.startswith("db_influx.methods."):
                result = _awaited(result)
            define = "async def" if inspect.iscoroutinefunction(function) else "def"
            yield from _wrapped(f"    {define} {function.__name__}({', '.join(given)}) -> {result}: ...")


def _parameters(signature: inspect.Signature, known: dict[str | None, str]) -> Iterator[str]:
    """Yield the parameters, with what is known of them in place of what their annotations say."""
    starred = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        if known.get(name):
            yield f"{name}: {known[name]}"
        elif parameter.annotation is parameter.empty:
            yield name
        elif parameter.default is parameter.empty:
            yield f"{name}: {parameter.annotation}"
        else:
            yield f"{name}: {parameter.annotation} = {parameter.default!r}"


def _awaited(result: str) -> str:
    if result.startswith("Snapshot["):
        return f"Opening[{result}]"
    if result == "PointWriter":
        return "AsyncPointWriter"
    return f"Async{result}" if result.startswith("Generator[") else f"Coroutine[Any, Any, {result}]"


def _wrapped(line: str) -> list[str]:
    """Return a signature in lines that end between its parameters."""
    pieces = re.sub(r" (?!\w+: |\*)|(?<!,) ", "\xa0", line.strip())  # elsewhere no line may end
    lines = textwrap.wrap(pieces, 106, subsequent_indent="    ")
    return [f"    {line}".replace("\xa0", " ") for line in lines]


def _imports() -> str:
    """Return the imports that the sources need for annotations alone, and all that `_options` defines."""
    from db_influx import _options

    found = [f"from db_influx._options import {', '.join(_options.__all__)}"]
    found += ["from db_influx._async_manager import Opening", "from db_influx._parquet import ParquetFile"]
    found += ["from db_influx._progress import Progress"]
    found += [f"from db_influx.{module} import {name}" for module, name in _WRITERS]
    for path in _IMPORTING:
        for node in ast.parse(path.read_text()).body:
            inner = node.body if isinstance(node, ast.If) else []  # under TYPE_CHECKING
            found += [
                ast.unparse(one)
                for one in inner
                if isinstance(one, ast.ImportFrom) and one.names[0].name not in _CLASSES
            ]
    return "\n".join(found)


def main() -> int:
    """Write the stub, or with `--check` compare it; return 1 where it differs."""
    text = stub()
    if "--check" not in sys.argv[1:]:
        _STUB.write_text(text)
    elif _STUB.read_text() != text:
        print(f"{_STUB.name} of db_influx is not of these sources; run `python -m tools.stub`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
