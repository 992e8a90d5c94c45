"""What a step is to who prices it."""

from collections.abc import Mapping, Sequence

from weft.contracts.record import record
from weft.contracts.steps import NO_ROWS, Candidate, Verification
from weft.costs.serving_costs import Chunk, ServingCosts


@record
class StepWork:
    """A step as `ServingCosts.seconds` takes it, the rows whose output ends with it, what comes of its drafts, and what
    is likely to follow where a search asks for it."""

    num_tokens: int
    num_outputs: int
    num_decodes: int
    visible_tokens: Sequence[int]
    chunks: Sequence[Chunk]
    longest_tokens: int
    finished: tuple[int, ...]
    verified: Mapping[int, Verification] = NO_ROWS
    candidates: Mapping[int, tuple[Candidate, ...]] = NO_ROWS

    def seconds(self, costs: ServingCosts) -> float:
        """How long it takes."""
        visible_tokens, chunks, longest_tokens = self.visible_tokens, self.chunks, self.longest_tokens
        return costs.seconds(
            self.num_tokens, self.num_outputs, self.num_decodes, visible_tokens, chunks, longest_tokens
        )


@record
class PlainSteps:
    """As `ServingCosts.decode_seconds` takes them."""

    num_decodes: int
    visible_tokens: Sequence[int]
    per_step: Sequence[int]
    longest_tokens: int
