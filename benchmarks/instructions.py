"""The gate: how many instructions each native kernel takes on a fixed input.

    python -m benchmarks.instructions [--update]

Counted by valgrind's callgrind, which does not care how busy or fast a machine
is: a count more than 5 % above the one in instructions.json is a regression,
and the exit code 1. Counts depend on the compiler and the architecture, so
they are compared only where both are those of the file. `--update` writes the
file anew, for a change that is worth its instructions, or saves some.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

KEPT = Path(__file__).with_suffix(".json")
ROOT = Path(__file__).parents[1]
TOLERANCE = 0.05

_EXAMPLE = "instructions"  # crates/db-native/examples/instructions.rs


def main() -> int:
    """Count, then compare or keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write instructions.json anew")
    update = parser.parse_args().update
    if shutil.which("valgrind") is None:
        print("Not checked: valgrind is not installed (Debian and Ubuntu: apt-get install valgrind).")
        return 1 if update else 0
    here = toolchain()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"toolchain": None, "instructions": {}}
    if not update and kept["toolchain"] != here:
        print(f"Not checked: the counts were kept with {kept['toolchain']}; this is {here}.")
        return 0
    program = build()
    counts = {kernel: count(program, kernel) for kernel in run([program]).splitlines()}
    print(table(counts, kept["instructions"]))
    if update:
        KEPT.write_text(json.dumps({"toolchain": here, "instructions": counts}, indent=2) + "\n")
        print(f"\nKept in {KEPT.relative_to(ROOT)}.")
        return 0
    if counts.keys() != kept["instructions"].keys():
        print("\nThe kernels are not those of instructions.json: `-- --update`.")
        return 1
    return (
        1 if any(change(counts[kernel], kept["instructions"][kernel]) > TOLERANCE for kernel in counts) else 0
    )


def toolchain() -> str:
    """Give what the counts depend on, besides the sources and Cargo.lock."""
    told = run(["rustc", "--version"]).split()[1]
    return f"rustc {told}, {platform.machine()}"


def build() -> str:
    """Build the example as the wheels are built, and nobody's flags with it."""
    messages = subprocess.run(
        [
            *("cargo", "build", "--release", "--locked", "--package", "db-native", "--example", _EXAMPLE),
            *("--message-format", "json"),
        ],
        cwd=ROOT,
        env=os.environ | {"RUSTFLAGS": "", "CARGO_ENCODED_RUSTFLAGS": ""},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    made = [json.loads(line) for line in messages.splitlines()]
    [program] = [
        message["executable"] for message in made if message.get("target", {}).get("name") == _EXAMPLE
    ]
    return str(program)


def count(program: str, kernel: str) -> int:
    """Count what running a kernel takes more than preparing its input."""
    return callgrind([program, kernel, "run"]) - callgrind([program, kernel, "prepare"])


def callgrind(command: list[str]) -> int:
    """Count the instructions of a command."""
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    told = subprocess.run([*valgrind, *command], capture_output=True, text=True, check=True).stderr
    found = re.search(r"Collected : (\d+)", told)
    assert found, told
    return int(found[1])


def run(command: list[str]) -> str:
    """Give what a command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def table(counts: dict[str, int], kept: dict[str, int]) -> str:
    """Set the counts out beside the kept ones."""
    lines = [f"{'kernel':<28}{'instructions':>14}{'kept':>14}{'change':>9}"]
    for kernel, instructions in counts.items():
        line = f"{kernel:<28}{instructions:>14,}"
        if kernel in kept:
            more = change(instructions, kept[kernel])
            line += f"{kept[kernel]:>14,}{more:>+9.1%}{remark(more)}"
        lines.append(line)
    return "\n".join(lines)


def change(now: int, kept: int) -> float:
    """Give how much more it is, as a part of what was kept."""
    return now / kept - 1


def remark(more: float) -> str:
    """Say what a change means."""
    if more > TOLERANCE:
        return f"  above the {TOLERANCE:.0%} that are allowed"
    if more < -TOLERANCE:
        return "  better: keep it by `-- --update`"
    return ""


if __name__ == "__main__":
    sys.exit(main())
