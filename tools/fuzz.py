"""Fuzz the native crate: `python -m tools.fuzz [SECONDS] [--target NAME ...] [--minimise]`.

Builds the targets of crates/fuzz with libFuzzer, debug assertions and overflow
checks, and runs each on what is kept and then on new inputs for so many
seconds, as many at once as there are processors. Exit code 1 if anything was
found; once it is mended, the finding goes to crates/fuzz/findings/TARGET, which
every `cargo test` there replays. `--minimise` keeps of all inputs found the
fewest that reach as much.

Only our own crates are instrumented (crates/fuzz/instrument): Arrow's are those that `cargo test`
built, and inputs are kept for what is new in our code. There is no AddressSanitizer, as
db-native is free of `unsafe`; tools/careful.py watches what is not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CRATE = ROOT / "crates" / "fuzz"
KEPT = CRATE / "corpus"
BUILT = ROOT / "target" / "fuzz"
NEW = BUILT / "corpus"  # inputs found on the way, for longer runs to go on from
FINDINGS = BUILT / "findings"

_SEEDS = {"decoder": [ROOT / "tests" / "golden"]}
_LONGEST = "-max_len=4096"
_BOUNDS = (
    _LONGEST,
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
)


@dataclass(frozen=True)
class Run:
    """The result of one target's run."""

    target: str
    status: int
    said: str

    def stat(self, name: str) -> int:
        """Return one of libFuzzer's figures; 0 if it ended before it printed them."""
        found = re.search(rf"stat::{name}:\s*(\d+)", self.said)
        return int(found[1]) if found else 0

    @property
    def covered(self) -> int:
        """How many edges were reached."""
        return max((int(edges) for edges in re.findall(r"cov: (\d+)", self.said)), default=0)


def main() -> int:
    """Build and run the targets, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=int, default=40, help="for each target (default: 40)")
    parser.add_argument("--target", action="append", choices=targets(), help="only this one")
    parser.add_argument("--minimise", action="store_true", help="write the kept corpus anew; runs nothing")
    arguments = parser.parse_args()
    chosen = arguments.target or targets()
    if shutil.which(os.environ.get("CXX", "c++")) is None:
        print("Not fuzzed: libFuzzer takes a C++ compiler to build (Debian and Ubuntu: apt-get install g++).")
        return 0
    programs = build()
    if arguments.minimise:
        for target in chosen:
            minimise(programs[target], target)
        return 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(lambda target: run(programs[target], target, arguments.seconds), chosen))
    print(table(runs))
    for one in runs:
        if one.status:
            print(f"\n{one.target} ended with {one.status}:\n{one.said[-6000:]}")
    return 1 if any(one.status for one in runs) else 0


def targets() -> list[str]:
    """List the targets."""
    return sorted(path.stem for path in (CRATE / "fuzz_targets").glob("*.rs"))


def build() -> dict[str, str]:
    """Build all targets and return their programs."""
    messages = subprocess.run(
        [
            *("cargo", "build", "--locked", "--package", "db-fuzz", "--bins", "--features", "libfuzzer"),
            *("--profile", "test", "--message-format", "json-render-diagnostics"),
        ],
        cwd=ROOT,
        env=os.environ | {"RUSTC_WORKSPACE_WRAPPER": str(CRATE / "instrument")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    made = [json.loads(line) for line in messages.splitlines()]
    return {one["target"]["name"]: one["executable"] for one in made if one.get("executable")}


def run(program: str, target: str, seconds: int) -> Run:
    """Run a target on what is kept, then on new inputs."""
    (NEW / target).mkdir(parents=True, exist_ok=True)
    FINDINGS.mkdir(parents=True, exist_ok=True)
    kept = [KEPT / target, CRATE / "findings" / target, *_SEEDS.get(target, [])]
    inputs: list[str | Path] = [NEW / target, *(folder for folder in kept if folder.is_dir())]
    dictionary = CRATE / "dictionaries" / f"{target}.dict"
    ended = subprocess.run(
        [
            program,
            *inputs,
            *(*_BOUNDS, f"-max_total_time={seconds}", f"-artifact_prefix={FINDINGS}/{target}-"),
            *([f"-dict={dictionary}"] if dictionary.exists() else []),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return Run(target, ended.returncode, ended.stdout)


def minimise(program: str, target: str) -> None:
    """Keep of all inputs the fewest that reach as much."""
    fewest = NEW / f"{target}.fewest"
    shutil.rmtree(fewest, ignore_errors=True)
    fewest.mkdir(parents=True)
    every = [folder for folder in (KEPT / target, NEW / target) if folder.is_dir()]
    subprocess.run([program, "-merge=1", _LONGEST, fewest, *every, *_SEEDS.get(target, [])], check=True)
    shutil.rmtree(KEPT / target, ignore_errors=True)
    shutil.copytree(fewest, KEPT / target)


def table(runs: list[Run]) -> str:
    """Return a table of the runs, as text."""
    lines = [f"{'target':<10}{'executions':>12}{'new inputs':>12}{'edges':>8}  found"]
    for one in runs:
        executed, new = one.stat("number_of_executed_units"), one.stat("new_units_added")
        found = "nothing" if one.status == 0 else f"a fault: target/fuzz/findings/{one.target}-*"
        lines.append(f"{one.target:<10}{executed:>12,}{new:>12,}{one.covered:>8,}  {found}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
