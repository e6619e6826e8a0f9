"""Record what a real InfluxDB answers: `python -m tests.golden.record`, from the root of the repository.

Each query of `QUERIES` is asked of a server of its own that holds `POINTS` and
nothing else; the bytes of its answer become `NAME.csv` here. Each of `INFLUXQL` is
asked for as msgpack in chunks of one row, `NAME.msgpack`, and as JSON in one piece, `NAME.json`.
Ranges are fixed, so the same server records the same bytes. Recorded with InfluxDB 2.9.1.
`tests/core/test_golden.py` tells what each holds, from `POINTS`, by hand; `test_influxql.py`
compares both answers of InfluxQL.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tools.servers import InfluxDB, influxdb

BUCKET = "golden"

POINTS = r"""
meter,id=a,site=north float=1.5,int=9007199254740993i,uint=18446744073709551615u 1709251199999999999
meter,id=a,site=north bool=true,text="plain" 1709251199999999999
meter,id=a,site=north float=-0.1,int=-9223372036854775808i,uint=0u,bool=false,text="" 1709251200000000000
meter,id=b float=5e-324,text="a, \"b\"
c\\d größe 🔌" 1709251200000000001
wind\ park,ti\,tle=x\ \=\ y sp\ eed=7 1709251200500000000
"""

RANGE = "range(start: 2024-03-01T00:00:00Z, stop: 2024-03-01T00:00:02Z)"
METER = f'from(bucket: "{BUCKET}") |> {RANGE} |> filter(fn: (r) => r._measurement == "meter")'

QUERIES = {
    "every_type": METER.replace("2024-03-01T00:00:00Z", "2024-02-29T00:00:00Z"),
    "pivoted": METER
    + ' |> filter(fn: (r) => r._field == "float") |> group(columns: ["_start"])'
    + ' |> pivot(rowKey: ["_time"], columnKey: ["id"], valueColumn: "_value")',
    "special_floats": 'import "array" array.from(rows: ['
    + ", ".join(f'{{text: "{text}"}}' for text in ("+Inf", "-Inf", "NaN", "-0", "1e300"))
    + "]) |> map(fn: (r) => ({r with v: float(v: r.text)}))",
    "names": f'from(bucket: "{BUCKET}") |> {RANGE} |> filter(fn: (r) => r._measurement == "wind park")',
    "two_results": "\n".join(
        f'{METER} |> filter(fn: (r) => r._field == "float") |> {what} |> yield(name: "{what[:3]}")'
        for what in ("count()", "last()")
    ),
    "empty_windows": METER
    + ' |> filter(fn: (r) => r._field == "float") |> aggregateWindow(every: 1s, fn: mean, createEmpty: true)',
    "nothing": METER + ' |> filter(fn: (r) => r._field == "no such field")',
    "error_after_rows": f"""a = {METER} |> filter(fn: (r) => r._field == "float")
a |> yield(name: "1")
a |> map(fn: (r) => ({{r with _value: int(v: "not, \\"a number\\"")}})) |> yield(name: "2")""",
}

INFLUXQL = {
    "series": "SELECT float, int, uint, bool, text FROM meter GROUP BY *",
    "every_field": 'SELECT * FROM meter, "wind park"',
    "series_names": 'SELECT * FROM "wind park" GROUP BY *',
    "windows": "SELECT mean(float), count(int), last(text) FROM meter "
    "WHERE time >= '2024-02-29T23:59:59Z' AND time < '2024-03-01T00:00:02Z' GROUP BY time(1s), id",
    "several_statements": "SHOW FIELD KEYS; SHOW TAG VALUES WITH KEY =~ /i/; "
    "SELECT bool FROM meter; SHOW DATABASES",
    "no_series": "SELECT float FROM nowhere",
    "failed_after_rows": "SELECT float FROM meter; DROP DATABASE golden",
}


def record(server: InfluxDB) -> None:
    """Write the points, ask the queries and keep the answers."""
    org = json.loads(_ask(server, "GET", f"/api/v2/orgs?org={server.org}"))["orgs"][0]["id"]
    _ask(server, "POST", "/api/v2/buckets", {"orgID": org, "name": BUCKET})
    _ask(server, "POST", f"/api/v2/write?org={server.org}&bucket={BUCKET}", POINTS.strip())
    for name, query in QUERIES.items():
        dialect = {"annotations": ["datatype", "group", "default"]}
        answer = _ask(server, "POST", f"/api/v2/query?org={server.org}", {"query": query, "dialect": dialect})
        Path(__file__).with_name(f"{name}.csv").write_bytes(answer)
    for name, query in INFLUXQL.items():
        for accept, kind, chunks in [
            ("application/x-msgpack", "msgpack", {"chunked": "true", "chunk_size": "1"}),
            ("application/json", "json", {}),
        ]:
            question = urllib.parse.urlencode({"db": BUCKET, "epoch": "ns", "q": query} | chunks)
            answer = _ask(server, "GET", f"/query?{question}", accept=accept)
            Path(__file__).with_name(f"{name}.{kind}").write_bytes(answer)


def _ask(
    server: InfluxDB, method: str, path: str, body: Any = None, accept: str = "application/csv"
) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    data = None if body is None else text.encode()
    headers = {"Authorization": f"Token {server.token}"}
    if body is not None:
        headers["Content-Type"] = "text/plain" if isinstance(body, str) else "application/json"
    request = urllib.request.Request(server.url + path, data, headers | {"Accept": accept}, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: bytes = response.read()
    return answer


if __name__ == "__main__":
    with influxdb(own=True) as server:
        record(server)
