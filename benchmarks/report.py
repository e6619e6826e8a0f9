"""What a run of the benchmarks says: against the bars, against the last record, and as pictures.

    python -m benchmarks.report TIMINGS.json [--record]

TIMINGS.json is pytest-benchmark's. With `--record` the run becomes
`benchmarks/record/<machine>/<date>.json`, one line a comparison, with the
pictures beside it; without, only `out/` is written. Whether a bar is met is
told, never enforced: a slow machine is no fault. What is enforced are the
instruction counts of `benchmarks.instructions`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.race import FASTER

RECORDS = Path(__file__).parent / "record"
OUT = Path("out")
_GO_MODULE = Path(__file__).parent / "go" / "go.mod"
# Whose speed is in the ratios.
_PACKAGES = (
    *("db-core", "db-influx", "db-redis"),
    *("influxdb-client", "influx-rust", "pandas", "polars", "pyarrow", "redis", "urllib3"),
    *("aiocache", "cashews", "dogpile.cache"),
)

Record = dict[str, Any]
Result = dict[str, Any]


def main() -> None:
    """Print, record, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("timings", type=Path, help="what pytest --benchmark-json wrote")
    parser.add_argument("--record", action="store_true", help="keep this run in benchmarks/record")
    arguments = parser.parse_args()
    timings = json.loads(arguments.timings.read_text())
    record = compact(timings)
    folder = RECORDS / machine_name(record["machine"])
    earlier = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if timings["quick"]:
        print("A quick run: small data, and no ratio means anything.\n")
    print(table(record, earlier[-1] if earlier else None))
    OUT.mkdir(exist_ok=True)
    drawn = [
        pictures.comparison(record, OUT / "comparison.png"),
        pictures.history([*earlier, record], OUT / "history.png"),
    ]
    if arguments.record and not timings["quick"]:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{record['date'][:10]}.json"
        path.write_text(as_text(record))
        drawn = [Path(shutil.copy(picture, folder)) for picture in drawn]
        print(f"\nRecord: {path}")
    print(f"Pictures: {', '.join(map(str, drawn))}")


def compact(timings: dict[str, Any]) -> Record:
    """Keep of pytest-benchmark's file what one compares."""
    commit = timings["commit_info"]
    cpu = timings["machine_info"]["cpu"]
    return {
        "date": timings["datetime"][:19] + "Z",
        "commit": commit["id"][:12] + ("+" if commit["dirty"] else ""),
        "machine": {
            "cpu": cpu.get("brand_raw", cpu.get("arch", "unknown")),
            "cores": cpu.get("count"),
            "system": f"{timings['machine_info']['system']} {timings['machine_info']['machine']}",
        },
        "versions": versions(timings),
        "results": [
            _result(benchmark, against)
            for benchmark in timings["benchmarks"]
            for against in benchmark["extra_info"]["against"]
        ],
    }


def _result(benchmark: dict[str, Any], against: dict[str, Any]) -> Result:
    result = {"case": benchmark["group"], "peer": against["peer"]}
    if "missing" in against:
        return result | {"missing": against["missing"]}
    result |= {"measure": against["measure"], "bar": against["bar"], "ratio": spread(against["ratios"])}
    if "seconds" in against:
        result["seconds"] = {
            "ours": spread(benchmark["extra_info"]["seconds"]),
            "peer": spread(against["seconds"]),
        }
    return result


def spread(values: list[float]) -> list[float]:
    """Give least, median and most, to four digits."""
    return [float(f"{value:.4g}") for value in (min(values), statistics.median(values), max(values))]


def versions(timings: dict[str, Any]) -> dict[str, str]:
    """Give the versions of whatever took part."""
    found = {"Python": timings["machine_info"]["python_version"], **timings["servers"]}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    pinned = re.search(r"influxdb-client-go/v2 v(\S+)", _GO_MODULE.read_text())
    assert pinned
    return found | {"influxdb-client-go": pinned[1]}


def machine_name(machine: dict[str, Any]) -> str:
    """Name a machine by what makes it fast; its own name says nothing to others."""
    name = re.sub(r"\((r|tm)\)", "", machine["cpu"].lower())
    return f"{re.sub(r'[^a-z0-9]+', '-', name).strip('-')}-{machine['cores']}-cores"


def as_text(record: Record) -> str:
    """Write a record so that versions of it differ by lines."""
    head = json.dumps({name: value for name, value in record.items() if name != "results"}, indent=1)
    results = ",\n  ".join(map(json.dumps, record["results"]))
    return head.removesuffix("\n}") + ',\n "results": [\n  ' + results + "\n ]\n}\n"


def table(record: Record, last: Record | None) -> str:
    """Set out every comparison as a Markdown table."""
    before = {key(result): result for result in last["results"]} if last else {}
    since = f"{last['date'][:10]}, {last['commit']}" if last else "no record"
    lines = [
        f"| case | against | ratio: median (least to most) | last ({since}) | bar | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for result in record["results"]:
        case = f"| {result['case']} | {result['peer']} "
        if "missing" in result:
            lines.append(f"{case}| not run: {result['missing']} | | | |")
            continue
        least, median, most = (f"{ratio:.3g}" for ratio in result["ratio"])
        then = before.get(key(result), {}).get("ratio")
        lines.append(
            f"{case}| {median} {result['measure']} ({least} to {most}) | {f'{then[1]:.3g}' if then else ''} "
            f"| {bar(result)} | {verdict(result)} |"
        )
    return "\n".join(lines)


def key(result: Result) -> tuple[str, str]:
    """Tell results of one record apart."""
    return result["case"], result["peer"]


def bar(result: Result) -> str:
    """Put the bar into words."""
    if result["bar"] is None:
        return ""
    return f"at {'least' if result['measure'] == FASTER else 'most'} {result['bar']:g}"


def verdict(result: Result) -> str:
    """Say whether the median meets the bar, and by how much."""
    if result["bar"] is None:
        return ""
    off = result["ratio"][1] / result["bar"] - 1
    met = off >= 0 if result["measure"] == FASTER else off <= 0
    words = f"{abs(off):.0%} {'above' if off > 0 else 'below'}"
    return f"met, {words}" if met else f"**missed, {words}**"


if __name__ == "__main__":
    main()
