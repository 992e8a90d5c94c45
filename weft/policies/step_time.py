"""How long a step will take, learned from those that were."""

from weft.contracts.events import StepRecord

FORGETTING = 0.99
"""Weight of what was learned at each further step: about a hundred steps count."""
PRIOR = 1e6
"""The variance of what is not known yet, against that of a step's noise."""

Vector = tuple[float, float, float]


class StepTime:
    """Seconds as a part that every step has, one per sequence that decodes and one per token of a prompt, by recursive
    least squares with forgetting (Ljung, System Identification, 1999, section 11.2)."""

    def __init__(self) -> None:
        self._weights = [0.0, 0.0, 0.0]
        self._covariance = [[PRIOR if row == column else 0.0 for column in range(3)] for row in range(3)]
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
        rows = self._covariance
        spread = [sum(row[i] * x[i] for i in range(3)) for row in rows]
        scale = FORGETTING + sum(x[i] * spread[i] for i in range(3))
        error = seconds * 1e3 - sum(self._weights[i] * x[i] for i in range(3))
        for i in range(3):
            self._weights[i] += spread[i] / scale * error
        self._covariance = [
            [min(PRIOR, (rows[i][j] - spread[i] * spread[j] / scale) / FORGETTING) for j in range(3)]
            for i in range(3)
        ]

    def prompt_tokens_within(self, seconds: float, num_standing: int) -> float:
        """How many tokens of prompts a step of that length has room for; below 0 where it is too long without any."""
        base, per_sequence, per_token = self._weights
        left_ms = seconds * 1e3 - max(0.0, base) - max(0.0, per_sequence) * num_standing / 100
        return 100 * left_ms / max(per_token, 1e-6)
