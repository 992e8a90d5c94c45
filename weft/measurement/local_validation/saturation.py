"""The knee of a service, taken to be the rate at which it answers while there is always more to do.

Above that rate the queue grows in runs of any length; below it a long run keeps up. So it is what bisection finds with
runs of ten minutes each (`weft/measurement/knee.py`), from one run.
"""

from collections.abc import Sequence
from itertools import pairwise

from weft.contracts.errors import WeftError
from weft.contracts.events import StepRecord
from weft.measurement.local_validation.orders import Orders


def answered_per_s(steps: Sequence[StepRecord], orders: Orders) -> float:
    """Requests per second, by the tokens that came out from the time that half of the greatest batch was reached for
    as long as requests waited. Raises `WeftError` where none did."""
    most = max(step.num_running for step in steps)
    begin = next(index for index, step in enumerate(steps) if 2 * step.num_running >= most)
    saturated = [
        (after.time_s - before.time_s, num_outputs(after))
        for before, after in pairwise(steps[begin:])
        if before.num_waiting
    ]
    seconds = sum(step_s for step_s, _ in saturated)
    if not seconds:
        raise WeftError(
            f"{len(orders.orders)} requests at once leave none waiting, so the knee cannot be told; make the runs "
            "longer, or lower max_num_seqs"
        )
    return sum(tokens for _, tokens in saturated) / seconds / orders.mean_output_tokens


def num_outputs(step: StepRecord) -> int:
    """Tokens that came out of a step."""
    return step.num_standing + sum(entry.emits for entry in step.explicit)
