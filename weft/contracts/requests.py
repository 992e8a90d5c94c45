"""What a client asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import NamedTuple

from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import Prompt

MOST_LOGPROBS = 20
"""The most log-probabilities per token that a request may ask for (the limit of OpenAI's API)."""

MOST_SAMPLES = 128
"""The most outputs of one prompt that a request may ask for."""

NOT_IN_BEAM_SEARCH = (
    "stop",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "prompt_logprobs",
    "constraint",
)
"""Parameters that beam search, which ranks by the model's own probabilities, has no use for."""


def _require(holds: bool, field: str, value: object, allowed: str) -> None:
    if not holds:
        raise InvalidRequest(f"{field} is {value!r}; it must be {allowed}")


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How output tokens are chosen and when the output ends.

    `n`: independent outputs of one prompt. `beam_width`: above 1, beam search for the likeliest output by the
    model's own probabilities; excludes `n` above 1 and whatever changes or filters these, and the
    temperature means nothing then. `max_tokens`: the most output tokens; 0 ends the request once its prompt is
    computed. `min_tokens`: a stop token before this many output tokens is not produced. `stop_token_ids`: the
    output ends with (and includes) the first of these. `stop`: strings before which the text of the output
    ends. `ignore_eos`: the model's own end-of-sequence tokens do not end the output.

    Logits are changed in this order: `logit_bias` (added, per token id); `repetition_penalty` (tokens of
    prompt and output: positive logits are divided by it, negative ones multiplied; CTRL, section 4.1);
    `presence_penalty` (subtracted once) and `frequency_penalty` (per occurrence) for tokens of the output;
    `temperature`, of which 0 takes the most likely token; then of the tokens stay the `top_k` likeliest (0:
    all), of these the fewest that together have probability `top_p`, of these those at least `min_p` times
    as likely as the likeliest. `seed`: names the noise of this request; None derives it from the request id.

    `logprobs`: report log-probabilities under the unchanged logits, of the chosen token and of this many of
    the likeliest; None reports none. `prompt_logprobs`: the same for the tokens of the prompt from the second on,
    each given those before it; a request that asks computes its whole prompt, whatever is cached.

    `constraint`: what the text of the output must look like; None leaves it free. `skip_special_tokens`: leave
    special tokens, those that end the output apart, out of the text.
    """

    n: int = 1
    beam_width: int = 1
    max_tokens: int = 256
    min_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    constraint: Constraint | None = None
    skip_special_tokens: bool = True

    def __post_init__(self) -> None:
        self._check_outputs()
        self._check_length()
        self._check_choice()
        self._check_penalties()

    def _check_outputs(self) -> None:
        _require(1 <= self.n <= MOST_SAMPLES, "n", self.n, f"between 1 and {MOST_SAMPLES}")
        _require(1 <= self.beam_width <= 128, "beam_width", self.beam_width, "between 1 and 128")
        one_search = self.n == 1 or self.beam_width == 1
        _require(one_search, "beam_width", self.beam_width, "1 where n is above 1")
        for name in ("logprobs", "prompt_logprobs"):
            count = getattr(self, name)
            most = f"between 0 and {MOST_LOGPROBS}, or None"
            _require(count is None or 0 <= count <= MOST_LOGPROBS, name, count, most)
        if self.beam_width > 1:
            self._check_beam_search()

    def _check_beam_search(self) -> None:
        plain = SamplingParams()
        for name in NOT_IN_BEAM_SEARCH:
            value, neutral = getattr(self, name), getattr(plain, name)
            _require(value == neutral, name, value, f"{neutral!r} with beam search (beam_width above 1)")

    def _check_length(self) -> None:
        least = 0 if self.n == self.beam_width == 1 else 1
        _require(self.max_tokens >= least, "max_tokens", self.max_tokens, f"at least {least}")
        allowed = f"between 0 and max_tokens ({self.max_tokens})"
        _require(0 <= self.min_tokens <= self.max_tokens, "min_tokens", self.min_tokens, allowed)
        _require(not isinstance(self.stop, str), "stop", self.stop, "a tuple of strings, not one string")
        _require(all(self.stop), "stop", self.stop, "strings that are not empty")

    def _check_choice(self) -> None:
        finite = isfinite(self.temperature) and self.temperature >= 0
        _require(finite, "temperature", self.temperature, "a finite number, 0 or more")
        _require(self.top_k >= 0, "top_k", self.top_k, "0 (all tokens) or more")
        _require(0.0 < self.top_p <= 1.0, "top_p", self.top_p, "above 0 and at most 1")
        _require(0.0 <= self.min_p <= 1.0, "min_p", self.min_p, "between 0 and 1")
        _require(self.seed is None or -(2**63) <= self.seed < 2**63, "seed", self.seed, "a 64-bit integer")

    def _check_penalties(self) -> None:
        positive = isfinite(self.repetition_penalty) and self.repetition_penalty > 0.0
        _require(positive, "repetition_penalty", self.repetition_penalty, "a finite number above 0")
        for name in ("presence_penalty", "frequency_penalty"):
            penalty = getattr(self, name)
            _require(-2.0 <= penalty <= 2.0, name, penalty, "between -2 and 2")
        for token, bias in self.logit_bias.items():
            _require(token >= 0, "logit_bias", token, "a mapping from token ids, 0 or more")
            _require(-100.0 <= bias <= 100.0, f"logit_bias[{token}]", bias, "between -100 and 100")


class Pooling(Enum):
    """Which hidden states of the last layer, after its norm, become the one vector of a prompt."""

    LAST = "last"
    """That of the last token, the only one that has seen all of the prompt."""
    MEAN = "mean"
    """The mean over all tokens."""


@dataclass(frozen=True, slots=True)
class Slo:
    """Latency objectives in seconds: time to first token, and time per output token after it."""

    ttft_s: float | None = None
    tpot_s: float | None = None


class Emitted(NamedTuple):
    """What there is already of an output whose making goes on elsewhere: its tokens; `has_ended`: it needs no more."""

    tokens: tuple[int, ...] = ()
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request for output. Frozen: what happens to it is recorded elsewhere.

    `priority`: the smaller, the more urgent. `session`: requests of one conversation share it. `adapter`:
    name of a fine-tuned adapter. `cache_salt`: requests share cached state only under the same salt; None
    means the tenant's own, so that tenants cannot observe each other through timing. `pooling`: the request
    wants the vector of its prompt, of length 1; goes with a `max_tokens` of 0.
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
    pooling: Pooling | None = None

    @property
    def max_total_tokens(self) -> int:
        """The most tokens one of its sequences can come to hold, prompt included."""
        return self.prompt.num_tokens + self.sampling.max_tokens
