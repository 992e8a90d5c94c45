"""What a server adds to the devices' time, by kind of server.

At most three numbers each, shared by all models and devices, fitted to recorded runs by `tools/fit_servers.py`; what
they are worth on other runs is in docs/validation.md. Weft's own server has, until it was measured on such devices,
what Hugging Face, "Unlocking asynchronicity in continuous batching" (14 May 2026) tells of a loop that prepares a step
while another one runs: 32 sequences of 8K (8,192) tokens from a model of 8 B parameters on one GPU took 234.5 s, of
which the GPU was idle for 0.6 %. Idle time is divided by 8,192 steps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ServerConstants:
    """A step of n sequences takes the host `step_s + n * sequence_s`, and the devices `slack` times what its kernels
    take one after the other, an all-reduce among them `all_reduce_slack` times what it takes where devices do nothing
    else: they come to it one after the other.

    `overlapped`: whether the host prepares a step while the devices compute another; a step then takes what the longer
    of both takes, else what both take together. `prompt_token_s`: per token of a prompt, from when a client sends it
    until the server has it in its queue (HTTP, tokenizer); a simulation begins there. `source`: where the numbers are
    from. `relative_error`: with them and profiled kernels, how far from predicted latencies four fifths of what was
    measured lay at most, as a share; `step_error`: the same of single steps; None where that was not looked at.
    """

    step_s: float = 0.0
    sequence_s: float = 0.0
    slack: float = 1.0
    all_reduce_slack: float = 1.0
    overlapped: bool = False
    prompt_token_s: float = 0.0
    source: str = ""
    relative_error: float | None = None
    step_error: float | None = None

    def __post_init__(self) -> None:
        for name in ("step_s", "sequence_s", "slack", "all_reduce_slack", "prompt_token_s"):
            value = getattr(self, name)
            if not 0.0 <= value < inf:
                raise ConfigurationError(f"{name} is {value}; it must be at least 0")

    def host_s(self, num_sequences: int) -> float:
        """What a step takes the host."""
        return self.step_s + self.sequence_s * num_sequences

    def seconds(self, kernels_s: float, num_sequences: int) -> float:
        """Of a step whose kernels take so long."""
        devices_s, host_s = self.slack * kernels_s, self.host_s(num_sequences)
        return max(devices_s, host_s) if self.overlapped else devices_s + host_s

    def seconds_of_each(self, kernels_s: Iterable[float], num_sequences: int) -> list[float]:
        """As `seconds`, of steps of as many sequences."""
        slack, host_s = self.slack, self.host_s(num_sequences)
        if self.overlapped:
            return [max(slack * each, host_s) for each in kernels_s]
        return [slack * each + host_s for each in kernels_s]


FREE = ServerConstants(source="nothing but the devices")
_STEPS = "inference-sim/inference-sim (steps on H100)"
_POINTS = "ai-dynamo/aiconfigurator (silicon data)"

TAKING_TURNS = "-sync"
"""Ends the name of a server whose host begins a step when the devices have ended the one before."""

_VLLM = ServerConstants(
    step_s=1.42e-3,
    all_reduce_slack=1.66,
    overlapped=True,
    prompt_token_s=16.5e-6,
    source=f"fitted to a third of {_STEPS} and {_POINTS}",
    relative_error=0.22,
    step_error=0.048,
)

SERVERS: dict[str, ServerConstants] = {
    "none": FREE,
    "vllm": _VLLM,
    f"vllm{TAKING_TURNS}": replace(_VLLM, overlapped=False),
    "sglang": ServerConstants(
        step_s=0.617e-3, sequence_s=27.2e-6, slack=0.977, source=f"fitted to 24 of {_POINTS}"
    ),
    "trtllm": ServerConstants(
        step_s=0.627e-3, sequence_s=31.4e-6, slack=0.997, source=f"fitted to 117 of {_POINTS}"
    ),
    "weft": ServerConstants(
        step_s=234.5 * 0.006 / 8192,
        source="Hugging Face, Unlocking asynchronicity in continuous batching (14 May 2026), overlapped",
    ),
}
"""By name, as `--server` takes it; `none` is free. `vllm` schedules steps ahead, by default from 0.14 on, `vllm-sync`
does not."""


def find_server(name: str) -> ServerConstants:
    """By name; raises `ConfigurationError` for an unknown one."""
    if name not in SERVERS:
        raise ConfigurationError(f"server {name!r} is unknown; choose from {', '.join(SERVERS)}")
    return SERVERS[name]
