"""Servers in containers, by `compose.yaml`, where a Docker engine answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tools.servers._process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FILE = Path(__file__).parents[2] / "compose.yaml"
_READY_WITHIN = 600.0  # seconds; the image may have to be fetched
_ENGINE_ANSWERS_WITHIN = 20.0  # seconds


@cache
def engine_answers() -> bool:
    """Say whether there is Docker with Compose, and an engine behind it."""
    if shutil.which("docker") is None:
        return False
    for question in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            subprocess.run(question, capture_output=True, check=True, timeout=_ENGINE_ANSWERS_WITHIN)
        except (subprocess.SubprocessError, OSError):
            return False
    return True


def container(service: str, port: int, answers: Callable[[], bool], variables: Mapping[str, str]) -> Process:
    """Run one service of `compose.yaml` in a project of its own.

    Args:
        service: Its name in the file.
        port: Where it shall listen.
        answers: Says whether the server is up.
        variables: Those of the file.
    """
    project = f"db-core-{os.getpid()}-{port}"
    compose = ["docker", "compose", "--file", str(_FILE), "--project-name", project]
    return Process(
        service,
        [*compose, "up", "--no-color", service],
        answers=answers,
        variables=variables,
        kill_command=[*compose, "kill", service],
        cleanup=[*compose, "down", "--volumes"],
        ready_within=_READY_WITHIN,
    )
