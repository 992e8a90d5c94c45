"""A world of the campaign: a cluster, its clients, and what happens to them, all as data.

Nothing but what is here decides a run, so that a world can be written down, replayed, and made smaller.
"""

from dataclasses import dataclass, field
from typing import Literal

from weft.cluster.timing import Timing
from weft.contracts.errors import ConfigurationError
from weft.measurement.campaign.faults import (
    FRONT,
    EngineFault,
    FailureClock,
    Fault,
    LateKills,
    MessageChance,
    Movement,
    NodeCrash,
    NodeReclaim,
    Operation,
    Partition,
    Restart,
    SlowLinks,
)

Mode = Literal["safety", "liveness"]
ModelName = Literal["fake", "weft-nano"]
PromptKind = Literal["tokens", "hashes", "length"]


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """`shared` tokens of a text with which many prompts begin, then `own` ones; `pictures` lie in it from its second
    token on, as far as there is room. Prompts of hashes or of a length only have as many tokens."""

    kind: PromptKind = "tokens"
    shared: int = 0
    own: int = 1
    pictures: tuple[int, ...] = ()

    @property
    def num_tokens(self) -> int:
        """At least one."""
        return max(1, self.shared + self.own)


@dataclass(frozen=True, slots=True)
class StopPlan:
    """The client ends an output with its `keep`-th token, `lag_s` after it has been told more than `seen`."""

    sample: int
    seen: int
    keep: int
    lag_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """Somebody who asks for something at `at_s`. `number`: names the request, and its content.

    `follows`: the prompt goes on where that client's output has ended. `whole`: the output is told at its end.
    `leaves_s`: the client is gone so long after it asked. `again`: one that left, or was refused, asks for something
    else under the same id at once, or when it may.
    """

    number: int
    at_s: float
    prompt: PromptPlan = field(default_factory=PromptPlan)
    follows: int | None = None
    max_tokens: int = 8
    min_tokens: int = 0
    stops: bool = False
    temperature: float = 0.0
    seed: int | None = None
    n: int = 1
    beam_width: int = 1
    logprobs: int | None = None
    tenant: str = "a"
    session: str | None = None
    cache_salt: str | None = None
    adapter: str | None = None
    priority: int = 0
    whole: bool = False
    leaves_s: float | None = None
    stop: StopPlan | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """See `EngineConfig`; blocks are of each group of the layout, `num_snapshots` of recurrent state."""

    layout: str = "paged"
    stop_bias: float = 0.0
    depth: int = 2
    num_blocks: int = 64
    num_snapshots: int = 16
    num_host_blocks: int = 0
    max_step_tokens: int = 32
    max_running: int = 8
    max_queued_tokens: int = 10_000
    prefix_caching: bool = True
    worst_case: bool = False
    order: str = "fcfs"
    budget: str = "decode_first"
    preempt: str = "latest_first"
    retain: str = "lru"
    drafts: Literal["none", "chain", "tree"] = "none"
    step_s: float = 0.02
    swap_s: float = 0.01


@dataclass(frozen=True, slots=True)
class World:
    """`seed`: of the chances within. `model`: the content-checking one, or a real one. `core`: the replica that stays
    well in liveness mode. `heals_at_s`: nothing that can heal goes wrong from then on (liveness: at the core nothing
    ever does, and elsewhere nothing heals). `tells`: replicas tell tokens as they come. `away_s`: before a node that
    went comes back. `submit_bytes`: of each request on its way to a replica.

    Raises `ConfigurationError` for faults of what is not there.
    """

    seed: int
    mode: Mode = "safety"
    num_replicas: int = 1
    num_nodes: int = 1
    core: int = 0
    model: ModelName = "fake"
    engine: EnginePlan = field(default_factory=EnginePlan)
    route: str = "least_outstanding"
    timing: Timing = field(default_factory=Timing)
    tells: bool = True
    cold_start_s: float = 0.1
    notice_s: float = 1.0
    away_s: float = 2.0
    latency_s: float = 0.0005
    submit_bytes: int = 0
    heals_at_s: float = 0.0
    clients: tuple[ClientPlan, ...] = ()
    faults: tuple[Fault, ...] = ()
    operations: tuple[Operation, ...] = ()

    def __post_init__(self) -> None:
        if self.num_replicas < 1 or self.num_nodes < 1 or not 0 <= self.core < self.num_replicas:
            raise ConfigurationError(
                f"{self.num_replicas} replicas on {self.num_nodes} nodes, of which {self.core} stays well; give 1 or "
                "more of each, and the number of one of the replicas"
            )
        for each in (*self.faults, *self.operations):
            replicas, nodes = _places(each)
            beyond = [number for number in replicas if not 0 <= number < self.num_replicas]
            beyond += [number for number in nodes if not 0 <= number < self.num_nodes]
            if beyond:
                raise ConfigurationError(f"{each} is of number {beyond[0]}, which this world does not have")


def _places(happening: Fault | Operation) -> tuple[list[int], list[int]]:
    """The replicas and the nodes that something concerns."""
    match happening:
        case Movement(source, target):
            return [source, target], []
        case Partition(source, target):
            return [], [number for number in (source, target) if number not in (None, FRONT)]
        case NodeCrash() | NodeReclaim() | SlowLinks():
            return [], [happening.node]
        case FailureClock() | EngineFault() | MessageChance() | LateKills() | Restart():
            return [], []
    return [happening.replica], []
