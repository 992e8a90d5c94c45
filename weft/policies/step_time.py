"""How long a step will take, learned from those that were."""

from weft.contracts.events import StepRecord

FORGETTING = 0.99
"""Weight of what was learned at each further step: about a hundred steps count."""
LEAST_SEEN = 1e-9
"""Of a part's squares: below, what was seen of it is forgotten."""
SWEEPS = 4
"""Over the three parts, after each step."""

Vector = tuple[float, float, float]


class StepTime:
    """Seconds as a part that every step has, one per sequence that decodes and one per token of a prompt: least squares
    with forgetting and no part below 0, each part in turn made the best beside the others (Franc, Hlavac and Navara,
    Sequential coordinate-wise algorithm for the non-negative least squares problem, CAIP 2005). Where steps tell
    nothing about a part for a while, as where as many decode in each, it stays what it was: what is only known together
    cannot grow without bound on both sides.
    """

    def __init__(self) -> None:
        self._weights = [0.0, 0.0, 0.0]
        self._products = [[0.0] * 3 for _ in range(3)]
        self._sums = [0.0] * 3
        self._last_s = 0.0
        self.num_prompt_steps = 0

    def observe(self, record: StepRecord) -> None:
        """One step is over; it began when it was planned and the one before it was over."""
        begun_s, self._last_s = max(record.planned_s, self._last_s), record.time_s
        if record.failed:
            return
        num_prompt_tokens = record.num_tokens - record.num_standing
        self.num_prompt_steps += num_prompt_tokens > 1
        self._learn((1.0, float(record.num_standing), float(num_prompt_tokens)), record.time_s - begun_s)

    def _learn(self, features: Vector, seconds: float) -> None:
        # In milliseconds and hundreds of tokens, so that numbers are of like size.
        x = (features[0], features[1] / 100, features[2] / 100)
        products, sums, weights = self._products, self._sums, self._weights
        for i in range(3):
            sums[i] = FORGETTING * sums[i] + x[i] * seconds * 1e3
            products[i] = [FORGETTING * old + x[i] * each for old, each in zip(products[i], x, strict=True)]
        for _ in range(SWEEPS):
            for i, row in enumerate(products):
                if row[i] > LEAST_SEEN:
                    off = sums[i] - row[0] * weights[0] - row[1] * weights[1] - row[2] * weights[2]
                    weights[i] = max(0.0, weights[i] + off / row[i])

    def prompt_tokens_within(self, seconds: float, num_standing: int) -> float:
        """How many tokens of prompts a step of that length has room for; below 0 where it is too long without any."""
        base, per_sequence, per_token = self._weights
        left_ms = seconds * 1e3 - base - per_sequence * num_standing / 100
        return 100 * left_ms / max(per_token, 1e-6)
