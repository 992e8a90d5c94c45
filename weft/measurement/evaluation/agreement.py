"""How often a draft model would have said what its target says, and what that is worth in speculative decoding."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weft.contracts.errors import ConfigurationError
from weft.measurement.evaluation.answering import Answer
from weft.measurement.evaluation.intervals import Figure, ratio
from weft.measurement.evaluation.progress import bar
from weft.text.loading import load_tokenizer
from weft.text.tokenizer import Tokenizer
from weft.training.text.documents import TokenDocument

if TYPE_CHECKING:
    from weft.training.reading import ReadingModel

DRAFT_TOKENS = 4
"""That the draft proposes each time."""
OPENING_TOKENS = 128
"""The most that an answer to the opening of a chat may have."""


@dataclass(frozen=True, slots=True)
class AgreementFigures:
    """Of one kind of prompts. `num_answers`: that were compared. `num_skipped`: prompts and answers that do not fit
    into the context of the target or the draft.

    `agreement`: the share of the positions of the target's answers at which its token is the draft's likeliest, all
    before being the target's own. `accepted`: the mean number of tokens that are accepted of a draft of
    `DRAFT_TOKENS`, where each draft begins after the target's own token that ended the one before; at the end of an
    answer it can win no more than what is left. Both are None where there were no answers; their n count positions
    and drafts.
    """

    prompts: str
    num_answers: int
    num_skipped: int
    agreement: Figure | None
    accepted: Figure | None


def require_same_tokenizer(target: Path, draft: Path) -> None:
    """Raises `ConfigurationError` that says what differs, where token ids of one model mean other text in the other."""
    one, other = load_tokenizer(target), load_tokenizer(draft)
    difference = _difference(one, other)
    if difference:
        raise ConfigurationError(
            f"the tokenizers of {target} and {draft} differ: {difference}; name a draft that has the target's tokenizer"
        )


def _difference(one: Tokenizer, other: Tokenizer) -> str:
    if one.vocab_size != other.vocab_size:
        return f"{one.vocab_size} and {other.vocab_size} tokens"
    for token_id in range(one.vocab_size):
        if one.piece(token_id) != other.piece(token_id):
            return f"token {token_id} is {one.piece(token_id)!r} and {other.piece(token_id)!r}"
    for name in sorted({**one.special_tokens, **other.special_tokens}):
        texts = one.special_tokens.get(name), other.special_tokens.get(name)
        if texts[0] != texts[1]:
            return f"{name} is {texts[0]!r} and {texts[1]!r}"
    return ""


def measure_agreement(
    prompts: str, answers: Sequence[Answer], draft: "ReadingModel", *, num_skipped: int, progress: bool
) -> AgreementFigures:
    """Read the target's answers with the draft. `prompts` names their kind; `num_skipped` were not answered."""
    runs: list[list[bool]] = []
    with bar(len(answers), "answer", progress=progress) as advance:
        for answer in answers:
            if len(answer.prompt_ids) + len(answer.output_ids) <= draft.max_model_len:
                runs.append(_agreed(answer, draft))
            advance()
    drafts = [accepted_per_draft(run) for run in runs]
    return AgreementFigures(
        prompts,
        len(runs),
        num_skipped + len(answers) - len(runs),
        ratio([sum(run) for run in runs], [len(run) for run in runs], most=1.0),
        ratio([sum(each) for each in drafts], [len(each) for each in drafts], most=DRAFT_TOKENS),
    )


def _agreed(answer: Answer, draft: "ReadingModel") -> list[bool]:
    """Per token of the answer, whether the draft would have said it."""
    token_ids = [*answer.prompt_ids, *answer.output_ids]
    if max(token_ids) >= draft.vocab_size:
        raise ConfigurationError(
            f"the target said token {max(token_ids)}, the draft has 0 to {draft.vocab_size - 1}; name another draft"
        )
    asked = [False] * len(answer.prompt_ids) + [True] * len(answer.output_ids)
    said = draft.likeliest(TokenDocument(token_ids, asked, learnt_bytes=0))
    return [one == other for one, other in zip(said, answer.output_ids, strict=True)]


def accepted_per_draft(agreed: Sequence[bool]) -> list[int]:
    """How many tokens each draft gains on an answer, given where draft and target agree on it."""
    found: list[int] = []
    place = 0
    while place < len(agreed):
        drafted = agreed[place : place + DRAFT_TOKENS]
        accepted = next((index for index, same in enumerate(drafted) if not same), len(drafted))
        found.append(accepted)
        place += accepted + 1  # the target's own token comes with each verification
    return found
