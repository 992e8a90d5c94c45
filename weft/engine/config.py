"""How one replica's engine is set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo
from weft.contracts.state import EncoderGroup, StateLayout
from weft.policies.choices import PolicyChoices
from weft.policies.registry import PolicyChoice

UNBOUNDED_TOKENS = 1 << 62
"""As `max_queued_tokens`: nothing is refused for waiting too long, because its client wants all of it."""


class Reservation(Enum):
    """When blocks are taken: as a sequence grows, or all that it could need, in one run, at the start."""

    PAGED = "paged"
    WORST_CASE = "worst case"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Sizes, bounds and policies of an engine.

    `layout`: the model's state. `num_blocks`: device blocks per state group. `num_host_blocks`: blocks per
    group in host memory for swapping; empty: no swapping. `max_step_tokens`: the token budget of a step.
    `max_running`: the most sequences that run at once (rows). `max_queued_tokens`: requests
    are refused while the work that waits (prompts and expected outputs) is estimated above this; None: four
    times what the device holds. `objective`: how fast requests are meant to be answered. Its time to the first token
    is that of requests that name none; its time per output token bounds how many are let in at once, whatever they
    name; see `engine/pace.py`. None: nobody is refused for that. `max_queue_delay_s`: requests are refused while they
    would wait longer than this, and than ten times what their own prompt takes; None: however long. `prefix_caching`:
    reuse state of equal prefixes.
    `order`, `budget`, `preempt`, `retain`, `draft`: policies, by name, as `module:Class`, or as a callable that makes
    one.

    How many steps may be in flight, and what names the bits of the state, is the executor's to say
    (`ExecutorTraits`).
    """

    layout: StateLayout
    num_blocks: Mapping[str, int]
    num_host_blocks: Mapping[str, int] = field(default_factory=dict)
    max_step_tokens: int = 2048
    max_running: int = 256
    max_queued_tokens: int | None = None
    objective: Slo | None = None
    max_queue_delay_s: float | None = None
    prefix_caching: bool = True
    reservation: Reservation = Reservation.PAGED
    order: PolicyChoice = "fcfs"
    budget: PolicyChoice = "decode_first"
    preempt: PolicyChoice = "latest_first"
    retain: PolicyChoice = "lru"
    draft: PolicyChoice | None = None

    def __post_init__(self) -> None:
        for name in ("max_step_tokens", "max_running"):
            _at_least(name, getattr(self, name), 1)
        if self.max_running > self.max_step_tokens:
            raise ConfigurationError(
                f"max_running is {self.max_running}, above max_step_tokens ({self.max_step_tokens}): each running "
                "sequence needs a token per step; raise max_step_tokens or lower max_running"
            )
        _one_size_per_group("num_blocks", self.num_blocks, self.layout)
        if self.num_host_blocks:
            _one_size_per_group("num_host_blocks", self.num_host_blocks, self.layout)
        if self.max_queued_tokens is not None:
            _at_least("max_queued_tokens", self.max_queued_tokens, 1)
        if self.max_queue_delay_s is not None and not self.max_queue_delay_s > 0.0:
            raise ConfigurationError(
                f"max_queue_delay_s is {self.max_queue_delay_s}; it must be above 0 seconds"
            )

    def with_policies(self, policies: PolicyChoices) -> "EngineConfig":
        """The same with other policies; of those that give way what was chosen here, where nothing is there."""
        return replace(
            self,
            order=policies.order,
            budget=policies.budget,
            preempt=policies.preempt or self.preempt,
            retain=policies.retain,
        )

    @property
    def queue_bound_tokens(self) -> int:
        """The bound on estimated waiting work, in tokens."""
        if self.max_queued_tokens is not None:
            return self.max_queued_tokens
        return 4 * max(self.num_blocks.values()) * self.layout.block_tokens


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigurationError(f"{name} is {value}; it must be at least {least}")


def _one_size_per_group(name: str, sizes: Mapping[str, int], layout: StateLayout) -> None:
    wanted = [g.name for g in layout.groups if name == "num_blocks" or not isinstance(g, EncoderGroup)]
    missing = [group for group in wanted if group not in sizes]
    known = [group.name for group in layout.groups]
    unknown = [group for group in sizes if group not in known]
    if missing or unknown:
        raise ConfigurationError(
            f"{name} misses {missing} and has unknown {unknown}; state groups are {known}"
        )
    for group in wanted:
        _at_least(f"{name}[{group!r}]", sizes[group], 1)
