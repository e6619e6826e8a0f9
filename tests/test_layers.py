"""The layers of the tests: a real server is in those alone that are marked for it."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
# Its servers are stand-ins, or are looked for in vain.
ALLOWED = {TESTS / "tools" / "test_servers_found.py"}


def imported(path: Path) -> set[str]:
    """Give what a file imports when it runs: what stands under `if TYPE_CHECKING` is read by tools alone."""
    names = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_tests_take_real_servers_from_the_fixture() -> None:
    """`servers` marks who asks for it; a test that imports them would start one without the mark."""
    assert "tools.servers._wheel" in imported(TESTS / "tools" / "conftest.py")
    found = {
        path
        for path in TESTS.rglob("test_*.py")
        if "tools" in path.read_text()
        and any(f"{name}.".startswith("tools.servers.") for name in imported(path))
    }
    assert ALLOWED == found
