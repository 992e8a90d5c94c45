"""transformers, with torch."""

import importlib
import os
from time import perf_counter
from typing import Any

LIBRARIES = ("transformers", "torch")


def convert(model: str, target: str, kind: str) -> None:
    """It reads the model as it is, and rounds it where `kind` asks for less."""
    del kind  # is known again when it is loaded
    os.symlink(model, target)


class Driver:
    """See loop.py."""

    def __init__(self, files: str, kind: str, threads: int) -> None:
        library, self._torch = map(importlib.import_module, LIBRARIES)
        self._torch.set_num_threads(threads)
        self._versions = {"transformers": library.__version__, "torch": self._torch.__version__}
        dtype = getattr(self._torch, kind)
        self._model = library.AutoModelForCausalLM.from_pretrained(files, dtype=dtype).eval()
        self._past: Any = None
        self._rows = 0

    def describe(self) -> dict[str, str]:
        return self._versions

    def prefill(self, tokens: list[int]) -> float:
        begun_s = perf_counter()
        self._forward([tokens], None)
        return perf_counter() - begun_s

    def prepare(self, rows: list[list[int]]) -> None:
        self._rows = len(rows)
        self._past = None
        self._past = self._forward(rows, None)

    def steps(self, count: int) -> list[float]:
        times = []
        for step in range(count):
            begun_s = perf_counter()
            self._past = self._forward([[300 + step]] * self._rows, self._past)
            times.append(perf_counter() - begun_s)
        return times

    def _forward(self, rows: list[list[int]], past: Any) -> Any:
        """The scores after the last token of each row are computed, and dropped."""
        with self._torch.inference_mode():
            ids = self._torch.tensor(rows)
            found = self._model(ids, past_key_values=past, use_cache=True, logits_to_keep=1)
        return found.past_key_values
