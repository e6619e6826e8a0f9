"""What a user installs with our packages has a licence that asks for no more than to be named."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distribution

import pytest
from packaging.requirements import Requirement

PACKAGES = ("db-core", "db-influx", "db-redis")
ACCEPTED = {
    "MIT",
    "Apache-2.0",
    "BSD-3-Clause",
    "BSD-2-Clause",
    "0BSD",
    "CC0-1.0",
    "ISC",
    "PSF-2.0",
    "MPL-2.0",
    "Zlib",
}
# Licences as they were written before there were expressions.
OLDER = {
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The MIT License (MIT)": "MIT",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "BSD 3-Clause": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
}


def installed() -> dict[str, Distribution]:
    """Give all that our packages and their extras ask for, and what that asks for, as installed here."""
    found: dict[str, Distribution] = {}
    waiting = [(package, {"polars", "cli"}) for package in PACKAGES]
    while waiting:
        name, extras = waiting.pop()
        found[name] = distribution(name)
        for requirement in map(Requirement, found[name].requires or ()):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                wanted = re.sub(r"[-_.]+", "-", requirement.name).lower()
                if wanted not in found:
                    waiting.append((wanted, requirement.extras))
    return found


def licence_of(package: Distribution) -> str:
    """Give the licence as an expression."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = metadata.get_all("Classifier") or []
    told = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: OSI")]
    return OLDER.get(
        (told or [metadata.get("License", "")])[0], (told or [metadata.get("License", "none")])[0]
    )


@pytest.mark.parametrize("name", sorted(installed()))
def test_a_dependency_has_an_accepted_licence(name: str) -> None:
    """Each part of its licence is one of those accepted; of alternatives, one is enough."""
    expression = licence_of(distribution(name)).replace("(", "").replace(")", "")
    parts = [{part.strip() for part in every.split(" OR ")} for every in expression.split(" AND ")]

    assert [] == [part for part in parts if not part & ACCEPTED], expression


def test_the_dependencies_are_seen() -> None:
    """The walk above finds what each package names, and what that needs."""
    wanted = {"influxdb-client", "pandas", "numpy", "polars", "redis", "hiredis", "orjson", "urllib3", "h11"}
    wanted |= {"typer", "rich", "pyarrow"}

    assert wanted <= set(installed())
