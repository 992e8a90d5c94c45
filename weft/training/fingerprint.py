"""What a recipe is, as JSON: so that a run goes on only with the recipe that began it."""

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from weft.training.adapter_base import base_directory, digest
from weft.training.adapter_recipe import AdapterRecipe, AnyRecipe
from weft.training.batches import draw_documents
from weft.training.text.documents import Document, TokenDocument, plain_text

SAMPLED_DOCUMENTS = 16
"""Of each stage. Sources that changed show in them, also those whose names say little."""


def describe_recipe(recipe: AnyRecipe) -> dict[str, Any]:
    """All its fields, functions by their names, and under "text" a digest of some documents of each stage; of an
    adapter also "base_files", a digest of what it is for."""
    described: dict[str, Any] = describe(recipe)
    if isinstance(recipe, AdapterRecipe):
        described["base_files"] = digest(base_directory(recipe))
    return described | {"text": [_digest(recipe, number) for number in range(len(recipe.stages))]}


def differences(described: Any, earlier: Any, name: str = "") -> Iterator[str]:
    """What is not as it was, one phrase each: "training.num_steps is 5, and was 7"."""
    if isinstance(described, dict) and isinstance(earlier, dict):
        for key in dict.fromkeys([*described, *earlier]):
            yield from differences(described.get(key), earlier.get(key), f"{name}.{key}" if name else key)
    elif isinstance(described, list) and isinstance(earlier, list) and len(described) == len(earlier):
        for number, (one, other) in enumerate(zip(described, earlier, strict=True)):
            yield from differences(one, other, f"{name}[{number}]")
    elif described != earlier:
        yield f"{name} is {described!r}, and was {earlier!r}"


def describe(value: Any) -> Any:
    """Something that JSON can hold and that is equal for equal values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: describe(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [describe(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    if callable(value):
        return (
            f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
        )
    return value


def _digest(recipe: AnyRecipe, number: int) -> str:
    drawn = draw_documents(recipe.seed, f"{recipe.name} sample {number}", recipe.stages[number].sources)
    texts = [_as_text(document) for document in islice(drawn, SAMPLED_DOCUMENTS)]
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()


def _as_text(document: Document | TokenDocument) -> str:
    return str(document.token_ids) if isinstance(document, TokenDocument) else plain_text(document)
