"""Arguments that alone would fill the memory: an error, where the process has little, and not its end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from db_core.errors import InvalidArgumentError
from tests.influx.meter import T0

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tools import servers

SERIES = 400
DAY = ("2026-01-01", "2026-01-02")

# Limits its memory to some more than it has after a first read, and prints what a second one fails with.
PROGRAM = """
import resource, sys
from db_core.errors import InvalidArgumentError
from db_influx import InfluxManager
url, org, token, bucket, method, options, room = sys.argv[1:]
with InfluxManager(url, org, token, max_parallel=1) as manager:
    def read(**options):
        return getattr(manager, method)("2026-01-01", "2026-01-02", "m", "v", bucket, **options)
    read(**eval(options) | {list(eval(options))[0]: "1h"})
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    limit = used + int(room)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        frame = read(**eval(options))
    except InvalidArgumentError as error:
        print(error.argument, error)
"""


@pytest.fixture(scope="module")
def two_points(store: Store) -> Store:
    """Give a bucket of 400 series of two points, in the first hour of a day and in its last."""
    hour = 3_600_000_000_000
    store.write(
        *(f"m,meter={n} v={v} {T0 + at * hour + 1}" for n in range(SERIES) for v, at in ((1.5, 0), (9.5, 23)))
    )
    return store


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize(
    ("method", "options", "room", "message"),
    [
        ("read", {"interval": "1ms", "create_empty": True}, 200, "interval `interval` must make"),
        (
            "read_accumulated_value",
            {"timestep": "1ms", "gaps": "spread"},
            200,
            "timestep `timestep` must make",
        ),
        (
            "read_accumulated_value",
            {"timestep": "1ms", "gaps": "null"},
            200,
            "timestep `timestep` must make",
        ),
        (
            "read_accumulated_value_in_seconds",
            {"duration": 0.001, "quality": True},
            200,
            "duration `duration` must make",
        ),
        # 86,400 windows are few, but not for each of 400 series.
        ("read", {"interval": "1s", "create_empty": True}, 1_000, "None the windows would take 1583 MiB"),
        ("read_accumulated_value", {"timestep": "1s", "gaps": "spread"}, 700, "None the windows would take "),
        ("read_accumulated_value", {"timestep": "1s", "gaps": "null"}, 1_400, "None the windows would take "),
    ],
)
def test_windows_that_the_memory_does_not_hold_are_an_error(
    server: servers.InfluxDB,
    two_points: Store,
    method: str,
    options: dict[str, object],
    room: int,
    message: str,
) -> None:
    """And no end of the process: in so many MiB more than it has after a read of hours."""
    arguments = [
        server.url,
        server.org,
        server.token,
        two_points.name,
        method,
        repr(options),
        str(room << 20),
    ]

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], check=False, capture_output=True, text=True
    )

    assert ("", 0) == (done.stderr, done.returncode)
    assert done.stdout.startswith(message)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"interval": "1ms"}, "86,400,000"),
        ({"interval": "1ns"}, "86,400,000,000,000"),
        ({"interval": "2ms", "tz": "Asia/Kathmandu"}, "43,200,000"),
    ],
)
def test_too_many_windows_are_counted(
    manager: InfluxManager, two_points: Store, options: dict[str, str], count: str
) -> None:
    """The error says how many there would be, and what to do."""
    with pytest.raises(InvalidArgumentError, match=rf"makes {count}\. Use longer windows or a shorter range"):
        manager.read(*DAY, "m", "v", two_points.name, create_empty=True, **options)  # type: ignore[arg-type]
