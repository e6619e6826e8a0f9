"""Known vulnerabilities of what is pinned, and deny.toml against the crates: `python3 noxfile.py -s audit`.

pip-audit asks the package index about the pins of constraints.txt. cargo-deny is compiled once, in
a few minutes, and kept outside the repository. It fetches the advisories of crates from a git repository.
A part whose service can't be reached does not run. The summary says so, and with `--all` it is a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_CARGO_DENY = "0.20.2"
_OFFLINE = ("bans", "licenses", "sources")


__all__ = ["judge", "main"]


def main() -> int:
    """Run every part, and print at the end how each went."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="fail where a part can't run")
    is_whole = parser.parse_args().all
    deny = _cargo_deny()
    went = {
        "pip-audit (vulnerabilities of Python packages)": _pip_audit(),
        f"cargo deny ({', '.join(_OFFLINE)} of crates)": _run(deny, "check", *_OFFLINE),
        "cargo deny (advisories of crates)": _run(deny, "check", "advisories")
        if _run(deny, "fetch", "db")
        else None,
    }
    for part, is_good in went.items():
        sys.stdout.write(f"{_WORDS[is_good]}: {part}\n")
    return int(False in went.values() or (is_whole and None in went.values()))


_WORDS = {True: "passed", False: "FAILED", None: "DID NOT RUN, as what it asks can't be reached from here"}


def _pip_audit() -> bool | None:
    """Return whether no package has a known vulnerability; None if the index does not know all of them."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--vulnerability-service", "pypi", "--format", "json"),
            *("--requirement", "constraints.txt", "--disable-pip", "--require-hashes"),
            "--progress-spinner=off",
        ],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return judge(done.stdout)


def judge(report: str) -> bool | None:
    """Print what pip-audit's report in JSON found, and return the verdict."""
    if not report:
        return None
    # A mirror that serves files only knows no package: pip-audit skips them, and ends well.
    packages = json.loads(report)["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    found = [package for package in packages if package.get("vulns")]
    sys.stdout.write(f"pip-audit: asked for {len(packages)} packages, {len(skipped)} not answered\n")
    for package in found:
        for fault in package["vulns"]:
            fixed = ", ".join(fault["fix_versions"]) or "no version yet"
            sys.stdout.write(f"{package['name']} {package['version']}: {fault['id']}, mended in {fixed}\n")
    if found:
        return False
    return None if skipped or not packages else True


def _run(*command: str) -> bool:
    return subprocess.run(command, cwd=_ROOT, check=False).returncode == 0


def _cargo_deny() -> str:
    """Return cargo-deny: the program that is kept, or one compiled now."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "db-core-tools" / f"cargo-deny-{_CARGO_DENY}"
    program = folder / "bin" / "cargo-deny"
    if not program.is_file():
        sys.stderr.write(f"Compiling cargo-deny {_CARGO_DENY}, once, in some minutes.\n")
        # Without optimisation: compiling takes a fraction of the time, and checking a second.
        install = ["cargo", "install", "cargo-deny", "--version", _CARGO_DENY, "--locked", "--debug"]
        environment = os.environ | {"CARGO_PROFILE_DEV_DEBUG": "0"}
        subprocess.run([*install, "--quiet", "--root", str(folder)], check=True, env=environment)
    return str(program)


if __name__ == "__main__":
    sys.exit(main())
