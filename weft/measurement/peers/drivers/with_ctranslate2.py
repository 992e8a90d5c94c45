"""CTranslate2. It keeps no state between calls, so each call of `steps` computes the prompts again, untimed."""

import importlib
from itertools import pairwise
from time import perf_counter
from typing import Any


def convert(model: str, target: str, kind: str) -> None:
    """int8: weights in bytes; bfloat16: as they are."""
    library: Any = importlib.import_module("ctranslate2")
    library.converters.TransformersConverter(model).convert(target, quantization=kind)


class Driver:
    """See loop.py."""

    def __init__(self, files: str, kind: str, threads: int) -> None:
        self._library: Any = importlib.import_module("ctranslate2")
        self._generator = self._library.Generator(
            files, device="cpu", compute_type=kind, inter_threads=1, intra_threads=threads
        )
        self._rows: list[list[str]] = []

    def describe(self) -> dict[str, str]:
        return {"ctranslate2": self._library.__version__}

    def prefill(self, tokens: list[int]) -> float:
        begun_s = perf_counter()
        self._generate([_named(tokens)], 1)
        return perf_counter() - begun_s

    def prepare(self, rows: list[list[int]]) -> None:
        self._rows = [_named(row) for row in rows]

    def steps(self, count: int) -> list[float]:
        ends: dict[int, float] = {}

        def note(result: Any) -> bool:
            ends[result.step] = perf_counter()
            return False

        self._generate(self._rows, count + 2, note)
        return [later - earlier for earlier, later in pairwise(ends[step] for step in sorted(ends))]

    def _generate(self, rows: list[list[str]], count: int, note: Any = None) -> None:
        self._generator.generate_batch(
            rows,
            max_length=count,
            min_length=count,
            include_prompt_in_result=False,
            callback=note,
            max_batch_size=len(rows),
        )


def _named(tokens: list[int]) -> list[str]:
    """As the model's own tokenizer calls them."""
    return [f"t{token}" for token in tokens]
