"""Health checks: heartbeats with progress find replicas that are dead, stopped or wedged; others take their place."""

import asyncio
from typing import Any, NamedTuple

from weft.cluster.timing import Timing
from weft.measurement.health_trial import KILLED, STOPPED, WEDGED, Outage, measure_outage
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime

PAUSE, DETECTION = "longest wait for a token", "time to detection over what timing promises"

HEARTBEATS = 2.0
"""That may pass beyond the time after which a replica counts as lost: one until its last sign of life has come, one
until somebody looks."""


BEFORE_S = 0.5
"""Under load before the fault, where nobody looks: nothing can be lost by mistake."""


class Fault(NamedTuple):
    """A point of the grid, in seconds: what happens to one of two replicas, after how long a calm under load, how long
    it would last if nobody did anything; and the timing of the health checks."""

    name: str
    fault: str
    calm_s: float
    outage_s: float
    heartbeat_s: float
    lost_after_s: float
    stalled_after_s: float

    @property
    def outage(self) -> Outage:
        """What happens."""
        timing = Timing(
            heartbeat_s=self.heartbeat_s,
            lost_after_s=self.lost_after_s,
            stalled_after_s=self.stalled_after_s,
            restart_s=self.heartbeat_s,
        )
        return Outage(self.fault, self.calm_s, self.outage_s, timing)

    @property
    def promised_s(self) -> float:
        """The longest until the fault is found."""
        after_s = {KILLED: 0.0, STOPPED: self.lost_after_s, WEDGED: self.stalled_after_s}[self.fault]
        return after_s + HEARTBEATS * self.heartbeat_s


def measure(fault: Fault, _seed: int) -> Observation:
    """Without health checks first, then with them; each seed is a repetition."""
    without = asyncio.run(
        measure_outage(fault.outage._replace(calm_s=min(BEFORE_S, fault.calm_s)), is_checked=False)
    )
    checked = asyncio.run(measure_outage(fault.outage, is_checked=True))
    detected_s = fault.outage_s if checked.detected_s is None else checked.detected_s
    details: dict[str, Any] = {
        "capacity restored after, s": checked.restored_s,
        "replicas lost without cause": list(checked.false_alarms),
        "tokens under load before": checked.num_tokens,
    }
    pairs = {PAUSE: Pair(without.pause_s, checked.pause_s), DETECTION: Pair(fault.promised_s, detected_s)}
    return Observation(pairs, details)


def _fault(fault: str, **other: Any) -> Fault:
    usual = {
        "calm_s": 20.0,
        "outage_s": 10.0,
        "heartbeat_s": 0.25,
        "lost_after_s": 1.0,
        "stalled_after_s": 2.0,
    }
    return Fault(**{"name": fault, "fault": fault, **usual, **other})


GRID = (
    _fault(STOPPED),
    _fault(KILLED),
    _fault(WEDGED),
    _fault(STOPPED, name="stopped, checked four times as often", heartbeat_s=0.0625, lost_after_s=0.25),
)

CARD = Card(
    id="tech-health-checks",
    title="Health and integrity checks (a common technique)",
    venue="no paper",
    year=2026,
    claims=(
        Claim(
            quantity=PAUSE,
            number=0.2,
            effect=Effect.RATIO,
            unit="of the wait",
            where="one of two replicas is stopped (SIGSTOP) for 10 s; eight clients, steps of 10 ms, default timing",
            source="ours, before the first run: 1 s of silence and two heartbeats are 1.5 s of 10 s, the rest is for "
            "going on elsewhere",
            origin=Origin.OURS,
        ),
        Claim(
            quantity=DETECTION,
            number=1.0,
            effect=Effect.RATIO,
            unit="times the promised time",
            where="the same",
            source="ours, before the first run: lost_after_s for silence, stalled_after_s for an engine that gets "
            "nowhere, nothing for a process that ends, and two heartbeats each",
            origin=Origin.OURS,
        ),
    ),
    mechanism="Each replica tells with every heartbeat how many steps its engine has ended, and acknowledges what it "
    "is told; one that is silent, deaf or gets nowhere for too long is killed, its requests go on elsewhere from "
    "their tokens, and another is started in its place.",
    files=(
        "weft/cluster/membership.py",
        "weft/cluster/member.py",
        "weft/cluster/inference_replica.py",
        "weft/cluster/child_process.py",
        "weft/cluster/controllers.py",
    ),
    baseline="Nobody looks: a bad replica keeps its requests and gets new ones until it goes on, or, where it was "
    "killed, until somebody starts it anew at the end of the outage.",
    grid=GRID,
    quick=_fault(KILLED, name="quick", calm_s=0.1, outage_s=0.4, heartbeat_s=0.05, lost_after_s=5.0),
    measure=measure,
    regime=Regime.LIVE_CPU,
    regime_reason="processes, signals and clocks are what health checks depend on; they are the same with any model",
    departures=(
        "replicas compute nothing: what a model adds to a pause, computing prompt and output anew, is not in it",
        "the engine is wedged by an executor whose steps do not end; nothing is corrupted, and no hardware is tested",
    ),
    finding="Both numbers hold. With the default timing a stopped replica is given up after 0.78 to 1.00 s and clients "
    "wait 0.03 s longer than that; the end of a process is known after 3 to 6 ms, and the longest wait is 32 to 61 "
    "ms; an engine that gets nowhere is found after 1.8 to 2.0 s, where 2 s are allowed. The replacement is up 0.4 "
    "to 1.2 s later. Silence is found up to a heartbeat before its time, because the last sign of life may be so old "
    "when it falls silent. Two such cards ran at once on two processors that had other work, too (load 5): in 15 runs "
    "with the default timing, five minutes of calm and the outages, no replica was lost without cause. Checked four "
    "times as often, with 0.25 s of silence allowed, clients wait 0.25 s in place of 0.9, but in one run of five "
    "the good replica was lost as well, silent for 0.31 s on the busy machine; what that run says of restored "
    "capacity counts from there. In a trial before the grid was run, clients waited 0.93 s once after a kill, and "
    "capacity was back after 2.2 s in place of 0.9; 31 more kills did not show that again.",
)
