"""The one command surface: `python3 noxfile.py -s SESSION [-- ARGUMENT ...]`.

Any Python 3.11+ runs it; `tools/bootstrap.py` provides nox and uv. Sessions
install built wheels, never the sources, and every version and hash is checked
against constraints.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # for `tools`, where a nox of your own loads this file

from tools import bootstrap

if __name__ == "__main__":
    bootstrap.enter()

import os
import shlex
import shutil
import tomllib
from typing import Any

import nox

from tools import distributions, pythons, sbom

CONSTRAINTS = "constraints.txt"
PACKAGES = ("db-core", "db-influx", "db-redis")
PYTHONS = pythons.oldest_and_newest()
AXE_PAGES = (
    "index.html",
    "search.html",
    *(f"start/{page}.html" for page in ("first-frame", "from-influxdb-client")),
    "tutorials/monthly-bill.html",
    *(f"how-to/{page}.html" for page in ("index", "many-tags")),
    "explanations/performance.html",
    *(f"reference/{page}.html" for page in ("influx-manager", "errors")),
)
FEW = tuple(f"tests/core/test_{name}.py" for name in ("errors", "http_body", "threads"))
DISTRIBUTIONS = ROOT / ".nox" / "distributions"  # what the sessions install and test; dist/ is for users

# Where it is set, each program that a test starts would compile pandas anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "types", "tests"]


@nox.session
@nox.parametrize("python", [nox.param(path, id=name) for name, path in PYTHONS.items()])
def tests(session: nox.Session) -> None:
    """Test the crates, then the wheels on the oldest and the newest Python here; arguments go to pytest."""
    if not os.environ.get("TESTED_CRATES"):
        _test_crates(session)
    _install(session, "test", wheels=True)
    session.run("python", "-m", "tools.servers", "--", "true")  # whatever takes long is done, visibly, now
    # The values that a property holds for do not depend on the Python, so that the oldest tries few.
    few = () if session.python == list(PYTHONS.values())[-1] else ("--hypothesis-profile", "some")
    session.run("python", "-m", "pytest", *few, *session.posargs, env={"DISTRIBUTIONS": str(DISTRIBUTIONS)})


@nox.session(venv_backend="none")
def wheels(session: nox.Session) -> None:
    """Build the wheels, for sessions in several processes that have KEPT_WHEELS in their environment."""
    _wheels(session)


@nox.session(venv_backend="none")
def crates(session: nox.Session) -> None:
    """Test the crates, for a process beside `tests`, which has TESTED_CRATES in its environment."""
    _test_crates(session)


@nox.session
def faults(session: nox.Session) -> None:
    """Break connections, kill servers and fill disks, with the wheels; arguments go to pytest."""
    _install(session, "test", wheels=True)
    session.run("python", "-m", "tools.servers", "--", "true")
    session.run("python", "-m", "pytest", "tests/faults", *session.posargs)


@nox.session
def spark(session: nox.Session) -> None:
    """Test the data source of Spark, with the wheels; arguments go to pytest. Needs Java 17 or newer."""
    _install(session, "test", wheels=True)
    # pyspark is a source distribution only, so that here a wheel is built, of what constraints.txt names.
    pinned = ("--constraint", CONSTRAINTS, "--build-constraints", CONSTRAINTS)
    session.install(*pinned, "--group", "spark")
    session.run("python", "-m", "tools.servers", "--", "true")
    session.run(
        "python", "-m", "pytest", "tests/influx/spark", "tests/test_private_names.py", *session.posargs
    )


@nox.session
def demo(session: nox.Session) -> None:
    """Write, read, cache and plot a month of 20 meters, on real servers."""
    _install(session, "demo", wheels=True)
    session.run("python", "-m", "tools.demo", *session.posargs)


@nox.session
def pictures(session: nox.Session) -> None:
    """Draw the pictures of docs/, from what a real server gives."""
    _install(session, "demo", wheels=True)
    session.run("python", "-m", "tools.draw_consumption")
    session.run("python", "-m", "tools.draw_tutorials")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into out/site, where a warning is an error, and check it; arguments go to pytest."""
    _install(session, "docs", "test", wheels=True)
    read = Path(session.create_tmp()) / "read"
    session.run(
        *("python", "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--fresh-env"),
        *("--doctree-dir", str(read), "docs", "out/site"),
    )
    session.run("python", "-m", "pytest", "tests/site", *session.posargs)


@nox.session(venv_backend="none")
def axe(session: nox.Session) -> None:
    """Look at ten pages of what `docs` built with axe-core, in Chromium; needs `npm` and `chromium`."""
    folder = Path(session.create_tmp())
    for name in ("package.json", "package-lock.json", "check.mjs"):
        shutil.copy(ROOT / "tests" / "site" / "axe" / name, folder)
    chromium = shutil.which("chromium") or session.error("Debian's package `chromium` is not installed.")
    session.run("npm", "ci", "--ignore-scripts", "--silent", "--prefix", str(folder), external=True)
    session.run("node", str(folder / "check.mjs"), chromium, "out/site", *AXE_PAGES, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Race the wheels against their peers; arguments go to pytest, and only a run without any is recorded."""
    _install(session, "bench", wheels=True)
    session.run("python", "-m", "tools.servers", "--", "true")
    timings = Path(session.create_tmp()) / "timings.json"
    session.run(
        *("python", "-m", "pytest", "benchmarks", "--benchmark-quiet", f"--benchmark-json={timings}"),
        *session.posargs,
    )
    record = [] if session.posargs else ["--record"]
    session.run("python", "-m", "benchmarks.report", str(timings), *record)


@nox.session(venv_backend="none")
def gate(session: nox.Session) -> None:
    """Count the native kernels' instructions, which noise can't change; `-- --update` keeps new counts."""
    session.run("python", "-m", "benchmarks.instructions", *session.posargs, external=True)


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """Fuzz the native crate against its twins, each target for 40 s; `-- SECONDS` for another time."""
    session.run("python", "-m", "tools.fuzz", *session.posargs, external=True)


@nox.session
def careful(session: nox.Session) -> None:
    """Run the tests that reach `unsafe` with the native module under AddressSanitizer."""
    _install(session, "test", wheels=True)
    session.run("python", "-m", "tools.careful", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and the rules of the house."""
    _install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("cargo", "fmt", "--check", external=True)
    session.run("cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings", external=True)
    tree = session.run("cargo", "tree", "--locked", "-p", "db-native", external=True, silent=True)
    if "pyo3" in str(tree):
        session.error("db-native is pure Rust, and depends on pyo3 now.")
    session.run("python", "-m", "tools.registry_hosts")
    session.run("python", "-m", "tools.docstring_verbs")
    session.run("python", "-m", "tools.boundaries")
    session.run("python", "-m", "tools.versions")
    session.run("python", "-m", "tools.api")
    session.run("zizmor", "--offline", "--quiet", ".github")
    workflows = _paths(".github/workflows", "*.yml")
    session.run("go", "-C", "tools/actionlint", "tool", "actionlint", *workflows, external=True)


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities, and check deny.toml; `-- --all` fails where a part can't run."""
    _install(session, "audit")
    session.run("python", "-m", "tools.audit", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the sources and of the public API, and the stubs against what they stand for."""
    _install(session, "types", "lint", "run", "test", "bench", "demo", wheels=True)
    checked = [f"packages/{package}/src" for package in PACKAGES]
    session.run("mypy", *checked, "tools", "benchmarks", "noxfile.py", "tests/typing")
    session.run("pyright")  # what users of either meet: pyproject.toml names the files
    session.run("python", "-m", "tools.stub", "--check")
    session.run("python", "-m", "mypy.stubtest", "db_core._native")
    session.run(
        *("python", "-m", "mypy.stubtest", "db_influx", "--allowlist", "tools/stub_unchecked.txt"),
        *("--mypy-config-file", "pyproject.toml"),
    )


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Make .venv for daily work: the packages editable, every tool; again after a change in crates/."""
    editables = [argument for package in PACKAGES for argument in ("--editable", f"packages/{package}")]
    session.run("uv", "venv", "--quiet", "--allow-existing", ".venv", external=True)
    session.run(
        *("uv", "pip", "install", "--python", ".venv", "--constraint", CONSTRAINTS),
        *("--build-constraints", CONSTRAINTS, "--group", "dev", *editables),
        "--compile-bytecode",  # or every run does it anew where PYTHONDONTWRITEBYTECODE is set
        external=True,
    )


@nox.session
def build(session: nox.Session) -> None:
    """Build what is published into dist/, and check it; arguments go to tools.distributions."""
    _install(session, "release")
    session.run("python", "-m", "tools.distributions", *session.posargs)
    if "--twice" not in session.posargs and (wheels := _paths("dist", "*.whl")):
        session.run("check-wheel-contents", *wheels)
        if stable := _paths("dist", "*-abi3-*.whl"):
            session.run("abi3audit", "--strict", *stable)


@nox.session
def installed(session: nox.Session) -> None:
    """Test the wheels of dist/; arguments go to pytest. Without any, tests run that need little else."""
    probe = "import sysconfig; print(bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
    has_gil = "False" in str(session.run("python", "-c", probe, silent=True))
    modules = ["db_core", "db_influx"] + [
        "db_redis"
    ] * has_gil  # orjson has no wheel for a Python without a GIL
    wheels = [
        *_paths("dist", f"db_core-*-{'abi3' if has_gil else 'cp314t'}-*.whl"),
        *(wheel for module in modules for wheel in _paths("dist", f"{module}-*-none-any.whl")),
    ]
    if len(wheels) != len(modules):
        session.error(f"dist/ must have one wheel of {', '.join(modules)} for this Python, and has {wheels}.")
    group = "test" if session.posargs else "platform"
    session.install("--constraint", CONSTRAINTS, "--only-binary", ":all:", "--group", group, *wheels)
    session.run("python", "-W", "error", "-c", "\n".join(f"from {module} import *" for module in modules))
    session.run("python", "-m", "pytest", *(session.posargs or FEW))


@nox.session
def pin(session: nox.Session) -> None:
    """Write constraints.txt anew: keeps the pins there are, `-- --upgrade` moves all to the newest."""
    manifests = [ROOT / "pyproject.toml", *(ROOT / "packages").glob("*/pyproject.toml")]
    wanted = {line for manifest in manifests for line in _requirements(tomllib.loads(manifest.read_text()))}
    requirements = Path(session.create_tmp()) / "requirements.in"
    requirements.write_text("\n".join(sorted(wanted)) + "\n")
    session.run(
        *("uv", "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.11"),
        *("--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet"),
        *("--custom-compile-command", "python3 noxfile.py -s pin"),
        *("--output-file", CONSTRAINTS, str(requirements), *session.posargs),
        external=True,
    )


def _paths(folder: str, pattern: str) -> list[str]:
    return [str(path) for path in sorted((ROOT / folder).glob(pattern))]


def _requirements(manifest: dict[str, Any]) -> list[str]:
    """List what one pyproject.toml asks of others: to build, to run, by extra and by group."""
    project = manifest["project"]
    lists = [
        manifest.get("build-system", {}).get("requires", []),
        project.get("dependencies", []),
        *project.get("optional-dependencies", {}).values(),
        *manifest.get("dependency-groups", {}).values(),
    ]
    return [
        line for lines in lists for line in lines if isinstance(line, str) and not line.startswith(PACKAGES)
    ]


def _install(session: nox.Session, *groups: str, wheels: bool = False) -> None:
    """Install dependency groups, and the built wheels with what they depend on."""
    arguments = [argument for group in groups for argument in ("--group", group)]
    built = _wheels(session) if wheels else []
    session.install("--constraint", CONSTRAINTS, "--only-binary", ":all:", *arguments, *built)


def _wheels(session: nox.Session) -> list[str]:
    """Return the three wheels, which the first call builds unless KEPT_WHEELS says that they are there."""
    if not _built:
        if not os.environ.get("KEPT_WHEELS"):
            shutil.rmtree(DISTRIBUTIONS, ignore_errors=True)
            for package in PACKAGES:
                _build(session, package, DISTRIBUTIONS, "--wheel", "--sdist")
        _built.extend(str(wheel) for wheel in sorted(DISTRIBUTIONS.glob("*.whl")))
    return _built


_built: list[str] = []


def _build(session: nox.Session, package: str, folder: Path, *arguments: str) -> None:
    listed = Path(session.create_tmp()).resolve() / sbom.NAME
    listed.write_text(sbom.document(sbom.host()))
    session.run(
        *("uv", "build", f"packages/{package}", "--out-dir", str(folder), *arguments),
        *("--build-constraints", CONSTRAINTS),
        env={
            "CARGO_TARGET_DIR": str(ROOT / "target"),
            "MATURIN_PEP517_ARGS": f"--locked --sbom-include {shlex.quote(str(listed))}",
            "SOURCE_DATE_EPOCH": distributions.time_of_the_commit(),
        },
        external=True,
    )


def _test_crates(session: nox.Session) -> None:
    """Test the crates, the first time that it is called."""
    if not _tested:
        session.run("cargo", "test", "--locked", "--quiet", external=True)
        _tested.append(True)


_tested: list[bool] = []


if __name__ == "__main__":
    nox.main()
