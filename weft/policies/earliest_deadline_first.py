"""Whose objective ends first runs first."""

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView


class EarliestDeadlineFirst(OrderPolicy):
    """A request's deadline is its arrival and its objective for the first token; for one that has output and waits
    again, that of its next token (Liu and Layland, Journal of the ACM 1973, section 7).

    `default_ttft_s`: the objective, in seconds, of requests that name none. What names the same objective is served by
    arrival, so nobody waits for ever.
    """

    def __init__(self, default_ttft_s: float = 30.0) -> None:
        if not default_ttft_s > 0:
            raise ConfigurationError(f"edf: default_ttft_s is {default_ttft_s}; it must be above 0 seconds")
        self._default_ttft_s = default_ttft_s

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        slo = sequence.request.slo
        ttft_s = self._default_ttft_s if slo is None or slo.ttft_s is None else slo.ttft_s
        tpot_s = 0.0 if slo is None or slo.tpot_s is None else slo.tpot_s
        return (sequence.arrival_s + ttft_s + tpot_s * sequence.num_output_tokens,)
