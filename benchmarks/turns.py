"""Two jobs by turns, for the scripts beside `bench`: how long the second takes, as a ratio to the first."""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ratio"]


def ratio(first: Callable[[], object], second: Callable[[], object], turns: int) -> str:
    """Run two jobs by turns, in random order within each, and return the ratios of their times in words.

    Args:
        first: The job whose time counts as 1.
        second: The other one.
        turns: How often. A twentieth as many, which are not timed, go before.

    Returns:
        The median of the ratios of each turn, their middle half, and the median time of the first job.
    """
    for job in (first, second) * max(1, turns // 20):
        job()
    ratios, times = [], []
    for _ in range(turns):
        seconds = {}
        for job in random.sample((first, second), 2):
            began = time.perf_counter()
            job()
            seconds[job] = time.perf_counter() - began
        ratios.append(seconds[second] / seconds[first])
        times.append(seconds[first])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} times {statistics.median(times) * 1_000:.2f} ms ({low:.3f} to {high:.3f})"
