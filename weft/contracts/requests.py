"""What a client asks for."""

from dataclasses import dataclass
from math import isfinite

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import Prompt


def _require(holds: bool, field: str, value: object, allowed: str) -> None:
    if not holds:
        raise InvalidRequest(f"{field} is {value!r}; it must be {allowed}")


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How output tokens are chosen and when the output ends.

    `max_tokens`: the most output tokens, at least 1. `min_tokens`: a stop token before this many output
    tokens is not produced. `stop_token_ids`: the output ends with (and includes) the first of these.
    `temperature`: 0 takes the most likely token. `seed`: names the noise of this request; None derives it
    from the request id. `num_samples`: independent outputs of one prompt. `beam_width`: above 1, beam
    search for the likeliest output; excludes `num_samples` above 1.
    """

    max_tokens: int = 256
    min_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    temperature: float = 1.0
    seed: int | None = None
    num_samples: int = 1
    beam_width: int = 1

    def __post_init__(self) -> None:
        _require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1")
        allowed = f"between 0 and max_tokens ({self.max_tokens})"
        _require(0 <= self.min_tokens <= self.max_tokens, "min_tokens", self.min_tokens, allowed)
        finite = isfinite(self.temperature) and self.temperature >= 0
        _require(finite, "temperature", self.temperature, "a finite number, 0 or more")
        _require(1 <= self.num_samples <= 128, "num_samples", self.num_samples, "between 1 and 128")
        _require(1 <= self.beam_width <= 128, "beam_width", self.beam_width, "between 1 and 128")
        one_search = self.num_samples == 1 or self.beam_width == 1
        _require(one_search, "beam_width", self.beam_width, "1 where num_samples is above 1")


@dataclass(frozen=True, slots=True)
class Slo:
    """Latency objectives in seconds: time to first token, and time per output token after it."""

    ttft_s: float | None = None
    tpot_s: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request for output. Frozen: what happens to it is recorded elsewhere.

    `priority`: the smaller, the more urgent. `session`: requests of one conversation share it. `adapter`:
    name of a fine-tuned adapter. `cache_salt`: requests share cached state only under the same salt; None
    means the tenant's own, so that tenants cannot observe each other through timing.
    """

    request_id: str
    prompt: Prompt
    sampling: SamplingParams = SamplingParams()
    tenant: str = "default"
    priority: int = 0
    slo: Slo | None = None
    session: str | None = None
    adapter: str | None = None
    cache_salt: str | None = None

    @property
    def max_total_tokens(self) -> int:
        """The most tokens one of its sequences can come to hold, prompt included."""
        return self.prompt.num_tokens + self.sampling.max_tokens
