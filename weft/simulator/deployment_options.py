"""What users choose of a simulated service."""

from dataclasses import dataclass, field
from math import inf

from weft.cluster.timing import Timing
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import AUTO, ServingOptions
from weft.policies.choices import DEFAULT_ROUTER
from weft.policies.registry import PolicyChoice, make_route_policy
from weft.simulator.node_lives import Lifetime
from weft.simulator.simulated_executor import MOST_ROWS
from weft.simulator.speculation import SpeculationOptions, speculation_options

MOST_REPLICAS = 100_000
"""Bounds a wrong number; as many as the catalogue's largest cluster has nodes."""


COLD_START_S = 60.0
"""Until a replica is ready that is started anew, where nothing is said: an assumption."""


@dataclass(frozen=True, slots=True)
class DeploymentOptions:
    """What users choose of a simulated service.

    `hardware`: of one replica (`h100`: as many as its plan needs), or with counts (`8xh100`) of all replicas
    together; `local`: this machine, as it was calibrated; `local:FILE`: a machine by its profile. `replicas`: copies,
    each an engine of its own. `router`: the policy that says which of them takes a request. `mtbf_s`: seconds after
    which a replica's machine fails, on the average (exponentially distributed); None: never. It is known to be lost
    after `lost_after_s` of silence; another takes `cold_start_s` to be ready (None: 60). `tp`, `pp`, `ep`, `cp`: how
    each is cut; see `Plan`. `dp`: so many replicas each make up a group with one set of experts, which `ep` spreads
    over it.
    `quantization`: of the linear layers, by name (fp8, w4a16, ...); None: they are in `serving.dtype` like all else.
    `kv_cache_dtype`: of keys and values (fp8, ...); auto: that too. `server`: whose constants are added; see `SERVERS`.
    `profiles`: a directory of measured kernels; auto: what ships for the device, if anything does; none: the plain
    roofline. Both mean nothing where `hardware` was calibrated. `order`, `budget`, `preempt`, `retain`: policies, by
    name or as `module:Class`; preempt None: `latest_first`, swapping where there is memory for it. `speculative_model`:
    on the same devices, by name or path, guesses `num_speculative_tokens` for each step, each right with chance
    `acceptance_rate` where those before it are; see `SpeculationOptions`. `serving`: sizes, as of a server; of these,
    `backend`, `device` and `num_threads` mean nothing here.
    """

    hardware: str = "h100"
    replicas: int = 1
    router: PolicyChoice = DEFAULT_ROUTER
    lost_after_s: float = Timing().lost_after_s
    mtbf_s: float | None = None
    cold_start_s: float | None = None
    tp: int = 1
    pp: int = 1
    ep: int = 1
    cp: int = 1
    dp: int = 1
    quantization: str | None = None
    kv_cache_dtype: str = AUTO
    server: str = "vllm"
    profiles: str = AUTO
    order: PolicyChoice = "fcfs"
    budget: PolicyChoice = "decode_first"
    preempt: PolicyChoice | None = None
    retain: PolicyChoice = "lru"
    speculative_model: str | None = None
    num_speculative_tokens: int | None = None
    acceptance_rate: float | None = None
    serving: ServingOptions = field(default_factory=ServingOptions)

    def __post_init__(self) -> None:
        if not 1 <= self.replicas <= MOST_REPLICAS:
            raise ConfigurationError(f"replicas is {self.replicas}; give 1 to {MOST_REPLICAS}")
        if self.dp < 1 or self.replicas % self.dp:
            raise ConfigurationError(
                f"dp is {self.dp}; it must divide the number of replicas ({self.replicas})"
            )
        if self.serving.max_num_seqs > MOST_ROWS:
            raise ConfigurationError(f"max_num_seqs is {self.serving.max_num_seqs}; give at most {MOST_ROWS}")
        make_route_policy(self.router)
        self._check_failures()
        _ = self.speculation

    def _check_failures(self) -> None:
        Timing(lost_after_s=self.lost_after_s)
        if self.cold_start_s is not None and not 0.0 <= self.cold_start_s < inf:
            raise ConfigurationError(f"cold_start_s is {self.cold_start_s}; give a finite time of at least 0")
        if self.mtbf_s is None:
            if self.cold_start_s is not None:
                raise ConfigurationError(
                    f"cold_start_s is {self.cold_start_s}, and nothing fails; add mtbf_s, or leave it out"
                )
            return
        Lifetime(self.mtbf_s)
        if self.replicas == 1 or self.dp > 1:
            raise ConfigurationError(
                f"mtbf_s is {self.mtbf_s}, with {self.replicas} replicas in groups of {self.dp}; requests of one that "
                "fails go on at others, so give more than 1, and leave dp at 1"
            )

    @property
    def speculation(self) -> SpeculationOptions | None:
        """What is chosen of a draft model; None where there is none."""
        return speculation_options(self.speculative_model, self.num_speculative_tokens, self.acceptance_rate)

    @property
    def most_tokens_per_decode(self) -> int:
        """Of one sequence in a step, all of which need logits: its own and the guesses."""
        return 1 if self.speculation is None else 1 + self.speculation.num_tokens
