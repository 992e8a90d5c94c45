"""The batches of a recipe: each follows from the seed and its number alone, so a run can go on from any step."""

from collections.abc import Iterable, Iterator
from itertools import islice

import tokenizers

from weft.contracts.errors import ConfigurationError
from weft.training.packing import Batch, make_batch, pack
from weft.training.recipe import Curriculum, Recipe, Source
from weft.training.text.documents import Document, TokenDocument
from weft.training.text.streams import named_stream
from weft.training.text.teller import Teller
from weft.training.tokenizer import encode_documents, train_tokenizer

MOST_EMPTY = 1000
TOKENIZER_SEED = 1


def training_batch(recipe: Curriculum, tokenizer: tokenizers.Tokenizer, step: int, part: int) -> Batch:
    """Batch number `part` of a step."""
    stage = recipe.stage_at(step)
    drawn = draw_documents(recipe.seed, f"{recipe.name} {step} {part}", stage.sources)
    documents: list[TokenDocument] = []
    num_tokens = 0
    for document in _instructive(encode_documents(tokenizer, drawn, stage.max_length_tokens)):
        documents.append(document)
        num_tokens += len(document.token_ids)
        # The last one is kept whole: to leave it out, or to cut it, would make long documents rarer or shorter.
        if num_tokens >= recipe.batch_tokens:
            break
    return make_batch(documents)


def evaluation_batches(recipe: Curriculum, tokenizer: tokenizers.Tokenizer, *, held_out: bool) -> list[Batch]:
    """Documents as in the last stage, drawn from another stream; `held_out`: with words that training never has."""
    stage = recipe.stages[-1]
    drawn = draw_documents(recipe.seed, f"{recipe.name} evaluation", stage.sources, held_out=held_out)
    documents = _instructive(encode_documents(tokenizer, drawn, stage.max_length_tokens))
    batches = list(pack(islice(documents, recipe.evaluated_documents), recipe.batch_tokens))
    if not any(batch.learnt_bytes for batch in batches):
        raise ConfigurationError(
            f"recipe {recipe.name!r}: the last stage has no text to learn, so bits per byte cannot be measured; "
            "give it a source of text"
        )
    return batches


def recipe_tokenizer(recipe: Recipe) -> tokenizers.Tokenizer:
    """Learned from documents of the recipe's own choice, or of all stages, as many of each as its share says."""
    drawn = draw_documents(TOKENIZER_SEED, "tokenizer", recipe.tokenizer_sources or _all_sources(recipe))
    texts = (document for document in drawn if not isinstance(document, TokenDocument))
    return train_tokenizer(islice(texts, recipe.tokenizer_documents), recipe.vocab_size)


def _all_sources(recipe: Recipe) -> tuple[tuple[float, Source], ...]:
    return tuple(
        (stage.share * weight / sum(weight for weight, _ in stage.sources), source)
        for stage in recipe.stages
        for weight, source in stage.sources
    )


def draw_documents(
    seed: int, name: str, sources: tuple[tuple[float, Source], ...], *, held_out: bool = False
) -> Iterator[Document | TokenDocument]:
    """Documents without end from the stream of that name, of each source in proportion to its weight."""
    teller = Teller(named_stream(seed, name), held_out)
    weights = [weight for weight, _ in sources]
    while True:
        _, source = teller.stream.choices(sources, weights)[0]
        yield source(teller)


def _instructive(documents: Iterable[TokenDocument]) -> Iterator[TokenDocument]:
    """Those of which something is learnt: of a chat that is cut, maybe nothing but a long question is left."""
    num_empty = 0
    for document in documents:
        num_empty = 0 if any(document.learnt[1:]) else num_empty + 1
        if num_empty == 0:
            yield document
        elif num_empty == MOST_EMPTY:
            raise ConfigurationError(
                f"of {MOST_EMPTY} documents in a row nothing is learnt within {len(document.token_ids)} tokens; "
                "give the stage a larger max_length_tokens, or sources whose learnt parts come earlier"
            )
