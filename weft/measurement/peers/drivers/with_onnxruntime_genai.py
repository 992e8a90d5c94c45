"""ONNX Runtime GenAI, on the model that its own builder makes."""

import importlib
import runpy
import shutil
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

BUILDER = "onnxruntime_genai.models.builder"
SETTINGS = ("block_size=32", "accuracy_level=4", "prune_lm_head=true")
"""Groups of 32 inputs, multiplied in bytes; scores after the last token only, as everybody else."""


def convert(model: str, target: str, kind: str) -> None:
    """int4: symmetric, all layers. By the builder's command line, which stays as it is; its functions do not."""
    scratch = Path(target).with_suffix(".scratch")
    paths = ["-i", model, "-o", target, "-c", str(scratch)]
    sys.argv = [BUILDER, *paths, "-p", kind, "-e", "cpu", "--extra_options", *SETTINGS]
    try:
        runpy.run_module(BUILDER, run_name="__main__")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class Driver:
    """See loop.py."""

    def __init__(self, files: str, kind: str, threads: int) -> None:
        self._library: Any = importlib.import_module("onnxruntime_genai")
        self._numpy: Any = importlib.import_module("numpy")
        config = self._library.Config(files)
        config.overlay(
            '{"model": {"decoder": {"session_options": {"intra_op_num_threads": %d}}}}' % threads  # noqa: UP031
        )
        self._model = self._library.Model(config)
        self._generator: Any = None

    def describe(self) -> dict[str, str]:
        return {"onnxruntime-genai": self._library.__version__}

    def prefill(self, tokens: list[int]) -> float:
        return self._begin([tokens])

    def prepare(self, rows: list[list[int]]) -> None:
        self._begin(rows)

    def steps(self, count: int) -> list[float]:
        times = []
        for _ in range(count):
            begun_s = perf_counter()
            self._generator.generate_next_token()
            times.append(perf_counter() - begun_s)
        return times

    def _begin(self, rows: list[list[int]]) -> float:
        parameters = self._library.GeneratorParams(self._model)
        longest = len(rows[0]) + 256
        parameters.set_search_options(
            batch_size=len(rows), max_length=longest, min_length=longest, do_sample=False
        )
        self._generator = self._library.Generator(self._model, parameters)
        begun_s = perf_counter()
        self._generator.append_tokens(self._numpy.array(rows, "int32"))
        return perf_counter() - begun_s
