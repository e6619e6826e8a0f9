"""The documents: their examples run, and what they name exists."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from db_influx import InfluxManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")])
WITH_SPARK = [ROOT / "docs/spark.md"]  # tests/influx/spark/test_document.py runs its examples, where Spark is
WITHOUT = [path for path in DOCUMENTS if path not in WITH_SPARK and "```python" in path.read_text()]
BLOCKS = re.compile(r"^```(python|sh)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")


@pytest.fixture(scope="module")
def environment(servers: ModuleType) -> Iterator[dict[str, str]]:
    """Return the variables that say where the servers are; `ARCHIVE_*` stand for another server."""
    with servers.influxdb() as influx_server, servers.redis() as redis_server:
        influx = influx_server.environment()
        archive = {name.replace("INFLUXDB", "ARCHIVE"): value for name, value in influx.items()}
        yield influx | redis_server.environment() | archive


@pytest.mark.parametrize("path", WITHOUT, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_document_run(
    environment: dict[str, str], path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python block runs as it stands, on real servers, and gives what its comments and the page tell.

    What a block prints is the block of text that follows it. The blocks of a tutorial are steps of one
    program: each knows the names of those before it. Its blocks for the shell run too, and those whose first
    line names a file are written to it.
    """
    blocks = BLOCKS.findall(path.read_text())
    together: dict[str, Any] | None = {} if path.parent.name == "tutorials" else None
    trustme.CA().cert_pem.write_to_path(tmp_path / "private-ca.pem")
    monkeypatch.chdir(tmp_path)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    with InfluxManager() as manager:
        before = {bucket.name for bucket in manager.list_buckets()}
        manager.create_bucket("home")
        try:
            for language, block, printed in blocks:
                if together is not None and (file := FILE.match(block)):
                    Path(file[1]).write_text(block)
                elif language == "python":
                    run(block, path, printed, together)
                elif together is not None:
                    assert without_ends(printed) == without_ends(run_in_shell(block))
        finally:
            for bucket in manager.list_buckets():
                if bucket.name not in before:
                    manager.delete_bucket(bucket.name)


def run(block: str, path: Path, printed: str = "", names: dict[str, Any] | None = None) -> None:
    """Run a block; an expression whose comment is a literal must give it, and it must print its text.

    One with a guard is a script: it is run as a file, since worker processes import it, and must print the
    comments of its calls of `print`.
    """
    if '__name__ == "__main__"' in block:
        Path("script.py").write_text(block)
        done = subprocess.run([sys.executable, "script.py"], stdout=subprocess.PIPE, text=True, check=True)
        assert re.findall(r"^ *print\(.*\)  # (.*)$", block, re.MULTILINE) == done.stdout.splitlines()
        return
    tree = ast.fix_missing_locations(Checks(block).visit(ast.parse(block)))
    with redirect_stdout(StringIO()) as output:
        exec(compile(tree, str(path), "exec", dont_inherit=True), {} if names is None else names)
    assert without_ends(printed) == without_ends(output.getvalue())


def run_in_shell(block: str) -> str:
    """Return what the lines of a block print, with what goes to stderr."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", block],
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def without_ends(text: str) -> list[str]:
    """Return lines without the blanks at their ends, which pandas prints and editors remove."""
    return [line.rstrip() for line in text.splitlines()]


class Checks(ast.NodeTransformer):
    """Puts a check in place of an expression whose comment is a literal."""

    def __init__(self, block: str) -> None:
        self._lines = block.splitlines()

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        """Return an assertion that the expression gives its comment, if it has one that is a literal."""
        assert node.end_lineno is not None
        after = self._lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode().strip()
        try:
            ast.literal_eval(after.removeprefix("# "))
        except (SyntaxError, ValueError):
            return node
        code = ast.unparse(node)
        check = ast.parse(f"given = {code}\nassert {after.removeprefix('# ')} == given, given").body
        return ast.copy_location(ast.If(ast.Constant(value=True), check, []), node)


def test_the_pictures_of_a_document_exist() -> None:
    """And every picture there is, is shown."""
    shown = {
        (path.parent / name).resolve()
        for path in DOCUMENTS
        for name in re.findall(r"!\[[^]]+\]\(([^)]*)\)", path.read_text())
    }

    assert {path.resolve() for path in ROOT.glob("docs/pictures/*")} <= shown
    assert all(path.is_file() for path in shown)


def test_documents_workflows_and_sources_name_sessions_that_exist() -> None:
    """Every session that a file names is one that noxfile.py has."""
    source = ast.parse((ROOT / "noxfile.py").read_text())
    listed = {node.name for node in source.body if isinstance(node, ast.FunctionDef)}
    found = subprocess.run(
        ["git", "grep", "--only-matching", "-h", "-E", r"noxfile\.py -s [a-z]+"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    named = {line.rpartition(" ")[2] for line in found.splitlines()}

    assert {"build", "installed", "tests"} <= named
    assert named <= listed


def test_the_security_document_names_tests_that_exist() -> None:
    """Every promise in its table names one, and every file of tests/security is named."""
    text = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    promises = re.findall(r"^\| (?!---|promise)(.+?) \| (.+?) \|$", text, re.MULTILINE)

    assert promises
    assert all("`tests/" in shown for _, shown in promises)
    for path, name in named:
        functions = [node.name for node in ast.parse((ROOT / path).read_text()).body if hasattr(node, "name")]
        assert name in functions, f"{path}::{name}"
    files = {str(path.relative_to(ROOT)) for path in ROOT.glob("tests/security/test_*.py")}
    assert files <= {path for path, _ in named}
