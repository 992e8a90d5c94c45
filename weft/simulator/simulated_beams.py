"""Likeliest next tokens in a simulation: nobody knows them, chance says how likely each is.

Which hypotheses of a beam search survive depends on nothing but these log-probabilities. The search itself, its forks
and what they share are the engine's own.
"""

from math import expm1, log

from weft.contracts.steps import Candidate
from weft.workloads.streams import named_stream, settled

END_TOKEN = 0
"""Ends an output; no other token is this one."""

INDECISION = 0.18
"""Fitted to how many hypotheses of a small model's searches are forked: `tools/fit_beams.py`; docs/simulate.md
has the figures. Two draws of the same next token differ with chance 0.18 / 1.18."""

_CERTAIN = (Candidate(END_TOKEN, 0.0),)
_LEAST = 2.0**-53
_TOKEN_BITS = 31


class NextTokens:
    """What a model would find likely after a hypothesis.

    The first token takes a share V of all probability, the second a share of what is left, and so on, each V drawn
    from Beta(1, `indecision`): the stick-breaking of a Dirichlet process (Sethuraman, Statistica Sinica 4, 1994,
    section 3). With little indecision most tokens are as good as certain and some are open, as in text.

    Draws follow from seed, request and hypothesis alone. A hypothesis is known by its last token and that one's place:
    tokens are drawn too, from the stream of the hypothesis that they extend.
    """

    def __init__(self, seed: int, indecision: float = INDECISION) -> None:
        self._seed = seed
        self._indecision = indecision

    def likeliest(self, output: str, position: int, last_token: int, count: int) -> tuple[Candidate, ...]:
        """So many tokens for a position of the output, the likeliest first; `last_token`: the hypothesis' own before
        it, `END_TOKEN` where there is none."""
        random = named_stream(self._seed, f"tokens of {output}:{position} after {last_token}")
        candidates, left = [], 0.0  # what is left of the probability is exp(-left)
        for _ in range(count):
            taken = max(
                random.expovariate(self._indecision), _LEAST
            )  # a share of 1 - exp(-taken): Beta(1, indecision)
            logprob = -settled(left - log(-expm1(-taken)))
            candidates.append(Candidate(random.getrandbits(_TOKEN_BITS) | 1, logprob))
            left += taken
        return tuple(sorted(candidates, key=_by_likelihood))

    @staticmethod
    def end() -> tuple[Candidate, ...]:
        """Where the output has its length: nothing else comes into question."""
        return _CERTAIN


def _by_likelihood(candidate: Candidate) -> tuple[float, int]:
    return -candidate.logprob, candidate.token
