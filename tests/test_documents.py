"""The documents: their examples run, and what they name exists."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from db_influx import InfluxManager

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/*.md")])
WITH_SPARK = [ROOT / "docs/spark.md"]  # tests/influx/spark/test_document.py runs its examples, where Spark is
EXPLANATIONS = [ROOT / f"docs/{name}.md" for name in ("architecture", "influxdb", "redis")]  # no examples
WITHOUT = [path for path in DOCUMENTS if path not in [*WITH_SPARK, *EXPLANATIONS]]


@pytest.mark.parametrize("path", WITHOUT, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_document_run(
    servers: ModuleType, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python block runs as it stands, on real servers, and its comments tell what it gives."""
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)

    assert blocks
    with servers.influxdb() as influx_server, servers.redis() as redis_server:
        for variable, value in (influx_server.environment() | redis_server.environment()).items():
            monkeypatch.setenv(variable, value)
        with InfluxManager() as manager:
            buckets = manager.get_buckets_api()
            bucket = buckets.create_bucket(bucket_name="home")
            try:
                for block in blocks:
                    run(block, path)
            finally:
                buckets.delete_bucket(bucket)


def run(block: str, path: Path) -> None:
    """Run a block; a call whose comment is a literal must give it.

    One with a guard is a script: it is run as a file, since worker processes import it, and must print the
    comments of its calls of `print`.
    """
    if '__name__ == "__main__"' in block:
        with TemporaryDirectory() as folder:
            script = Path(folder) / "script.py"
            script.write_text(block)
            done = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=True)
        assert re.findall(r"^ *print\(.*\)  # (.*)$", block, re.MULTILINE) == done.stdout.splitlines()
        return
    code = re.sub(r"^( *)(\w[^#\n]*\))  # (.*)$", with_check, block, flags=re.MULTILINE)
    exec(compile(code, str(path), "exec", dont_inherit=True), {})


def with_check(line: re.Match[str]) -> str:
    """Give the line, and after it a check if its comment is a literal."""
    indent, call, comment = line.groups()
    try:
        ast.literal_eval(comment)
    except (SyntaxError, ValueError):
        return line[0]
    return f"{indent}given = {call}\n{indent}assert {comment} == given, given"


def test_the_pictures_of_a_document_exist() -> None:
    """And every picture there is, is shown."""
    shown = {
        (path.parent / name).resolve()
        for path in DOCUMENTS
        for name in re.findall(r"!\[[^]]*\]\(([^)]*)\)", path.read_text())
    }

    assert {path.resolve() for path in ROOT.glob("docs/pictures/*")} <= shown
    assert all(path.is_file() for path in shown)


def test_the_contributing_guide_names_sessions_that_exist() -> None:
    """Every session that CONTRIBUTING names is one that noxfile.py has."""
    source = ast.parse((ROOT / "noxfile.py").read_text())
    listed = {node.name for node in source.body if isinstance(node, ast.FunctionDef)}
    named = re.findall(r"noxfile\.py -s ([a-z]+)", (ROOT / "CONTRIBUTING.md").read_text())

    assert named
    assert set(named) <= listed


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
