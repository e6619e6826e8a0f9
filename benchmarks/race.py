"""Ours against its peers, by turns: what is kept are ratios, round by round.

A machine that is slow for a minute is slow for everyone in that round, so the
ratios of one round hold where seconds do not. What a server does after an answer
falls to whoever comes next, so rounds go forth and back: peers and then ours, ours
and then the peers from the last to the first. pytest-benchmark times ours; before
or after it in each of its rounds, every peer runs once.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

FASTER = "times faster"
WITHIN = "times its time"
OF_LIMIT = "times the limit"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who ours is compared with.

    Attributes:
        name: As the record has it.
        run: Does the same job; None if it can't here.
        faster: How many times faster ours must be, at least.
        within: How many times its time ours may take, at most.
        repeat: How often it runs in a round, so that a round is not too short to be timed.
        measure: What the ratio is called if there is neither.
        missing: Why there is nothing to run.
    """

    name: str
    run: Callable[[], object] | None
    faster: float | None = None
    within: float | None = None
    repeat: int = 1
    measure: str = FASTER
    missing: str | None = None


class Race:
    """Runs ours and its peers by turns, and notes the ratios for the record."""

    def __init__(self, benchmark: BenchmarkFixture, rounds: int) -> None:
        self._benchmark = benchmark
        self.rounds = rounds

    def __call__(
        self,
        group: str,
        ours: Callable[[], object],
        *peers: Peer,
        repeat: int = 1,
        rounds: int | None = None,
    ) -> None:
        """Time `ours` and `peers`, whose answers have been checked.

        Args:
            group: What they all do, on which input.
            ours: The job.
            peers: Who else does it.
            repeat: How often ours runs in a round.
            rounds: Instead of five.
        """
        there = [peer for peer in peers if peer.run]
        turns = cycle([(there, []), ([], there[::-1])])
        after: list[Peer] = []
        seconds: dict[str, list[float]] = {peer.name: [] for peer in there}

        def run(contestants: list[Peer]) -> None:
            for peer in contestants:
                assert peer.run
                tidy()
                seconds[peer.name].append(_seconds(_often(peer.run, peer.repeat)) / peer.repeat)
            tidy()

        def tidy() -> None:
            # Not between short jobs: what is collected in between takes longer than they do, and
            # the next one would run on a machine that has done something else.
            if repeat == 1:
                gc.collect()

        def begin() -> None:
            before, after[:] = next(turns)
            run(before)

        self._benchmark.group = group
        self._benchmark.pedantic(  # type: ignore[no-untyped-call]
            _often(ours, repeat), setup=begin, teardown=lambda: run(after), rounds=rounds or self.rounds
        )
        if self._benchmark.stats is None:  # --benchmark-disable
            return
        own = [second / repeat for second in self._benchmark.stats.stats.data]
        self._benchmark.extra_info["seconds"] = own
        self._benchmark.extra_info["against"] = [
            _entry(peer, own, seconds.get(peer.name, [])) for peer in peers
        ]

    def limit(self, group: str, name: str, ratio: Callable[[], float]) -> None:
        """Compare something with a limit it must not exceed.

        Args:
            group: What is measured.
            name: The limit.
            ratio: Measures in a process of its own; gives how many times the limit it is.
        """
        ratios: list[float] = []
        self._benchmark.group = group
        self._benchmark.pedantic(lambda: ratios.append(ratio()), rounds=self.rounds)  # type: ignore[no-untyped-call]
        self._benchmark.extra_info["against"] = [
            {"peer": name, "measure": OF_LIMIT, "bar": 1.0, "ratios": ratios}
        ]


def _often(job: Callable[[], object], repeat: int) -> Callable[[], object]:
    """Make one job of several, unless it is one."""
    if repeat == 1:
        return job

    def jobs() -> None:
        for _ in range(repeat):
            job()

    return jobs


def _seconds(job: Callable[[], object]) -> float:
    begin = time.perf_counter()
    result = job()
    seconds = time.perf_counter() - begin
    del result  # outside the time, as pytest-benchmark does with ours
    return seconds


def _entry(peer: Peer, own: list[float], theirs: list[float]) -> dict[str, object]:
    """Give what the record needs of a peer."""
    if peer.run is None:
        return {"peer": peer.name, "missing": peer.missing}
    measure = FASTER if peer.faster else WITHIN if peer.within else peer.measure
    pairs = zip(own, theirs, strict=True)
    ratios = [their / our if measure == FASTER else our / their for our, their in pairs]
    return {
        "peer": peer.name,
        "measure": measure,
        "bar": peer.faster or peer.within,
        "ratios": ratios,
        "seconds": theirs,
    }
