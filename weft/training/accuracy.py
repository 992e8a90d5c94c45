"""How many answers a model in training gets right, without generating them. Imports torch only where it measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from weft.contracts.errors import ConfigurationError
from weft.training.recipe import Trained
from weft.training.recipes.sources import Exercises
from weft.training.text.documents import END

if TYPE_CHECKING:
    from weft.training.packing import Batch


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of answers of which each token is the likeliest after those before it: just those that greedy decoding
    would give, were all earlier answers of the chat as they should be.

    Answers that the model cannot read to their end are not counted. `size`: of the exercises. `held_out`: with names,
    values and templates that training never has. Raises `ConfigurationError` where no answer can be read to its end.
    """

    task: str
    size: int
    held_out: bool = True
    num_exercises: int = 24
    batch_tokens: int = 4096

    @property
    def name(self) -> str:
        """Of the column."""
        return f"{self.task}@{self.size}" + ("" if self.held_out else " known")

    def __call__(self, trained: Trained) -> dict[str, float]:
        from weft.training.objective import learnt_logits

        end = trained.tokenizer.token_to_id(END)
        verdicts: list[bool] = []
        for batch in self._batches(trained):
            likeliest_N = learnt_logits(trained.model, trained.ops, batch).argmax(-1)
            is_right = (likeliest_N == batch.targets_N).tolist()
            verdicts += _verdicts(is_right, [target == end for target in batch.targets_N.tolist()])
        if not verdicts:
            raise ConfigurationError(
                f"no answer of {self.task} at size {self.size} ends within {trained.max_length_tokens} tokens; "
                "evaluate it at a smaller size, or give a stage a larger max_length_tokens"
            )
        return {self.name: sum(verdicts) / len(verdicts)}

    def _batches(self, trained: Trained) -> "Iterator[Batch]":
        from weft.training.batches import draw_documents
        from weft.training.packing import pack
        from weft.training.tokenizer import encode_documents

        sources = ((1.0, Exercises(self.task, self.size, self.size)),)
        drawn = draw_documents(1, f"accuracy {self.name}", sources, held_out=self.held_out)
        exercises = islice(drawn, self.num_exercises)
        encoded = encode_documents(trained.tokenizer, exercises, trained.max_length_tokens)
        yield from pack(encoded, self.batch_tokens)


def _verdicts(is_right: list[bool], is_end: list[bool]) -> Iterator[bool]:
    """One for each answer, which reaches to its end."""
    verdict = True
    for token_is_right, ends_here in zip(is_right, is_end, strict=True):
        verdict = verdict and token_is_right
        if ends_here:
            yield verdict
            verdict = True
