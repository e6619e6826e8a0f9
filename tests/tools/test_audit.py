"""What `tools.audit` makes of pip-audit's report: an audit that asked nobody is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools.audit import judge

CLEAN = {"name": "redis", "version": "8.1.0", "vulns": []}
SKIPPED = {"name": "redis", "skip_reason": "Dependency not found and could not be audited: redis (8.1.0)"}
FOUND = {
    "name": "pip",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}],
}


@pytest.mark.parametrize(
    ("packages", "is_good"),
    [
        ([CLEAN], True),
        ([CLEAN, SKIPPED], None),
        ([SKIPPED], None),
        ([], None),
        ([CLEAN, FOUND], False),
        ([SKIPPED, FOUND], False),
    ],
)
def test_a_report_is_good_only_if_every_package_was_asked_for(
    packages: list[Any], is_good: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip-audit ends well where an index knows no package at all; here that is no pass."""
    assert judge(json.dumps({"dependencies": packages, "fixes": []})) is is_good
    if FOUND in packages:
        assert "pip 1.0: PYSEC-1, mended in 1.1" in capsys.readouterr().out


def test_no_report_is_no_pass() -> None:
    """As when pip-audit itself fails."""
    assert judge("") is None
