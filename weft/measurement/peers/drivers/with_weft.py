"""Weft itself: the whole engine, requests in and tokens out."""

import json
import os
from pathlib import Path
from typing import Any

OPTIONS_VARIABLE = "WEFT_PEERS_OPTIONS"
"""Environment variable: more serving options, as JSON."""


def convert(model: str, target: str, kind: str) -> None:
    """Weft reads the model as it is, and keeps what it packs in its own cache."""
    del kind  # is known again when it is loaded
    os.symlink(model, target)


class Driver:
    """See loop.py. A prompt that was computed before comes from the prefix cache, up to its last block."""

    def __init__(self, files: str, kind: str, threads: int) -> None:
        from weft.contracts.options import serving_options
        from weft.executor.loading import load_serving
        from weft.measurement.engine_contender import EngineContender

        more = json.loads(os.environ.get(OPTIONS_VARIABLE, "{}"))
        fixed = {"backend": "cpu", "quantization": kind, "num_threads": threads}
        serving = load_serving(Path(files), serving_options({**fixed, "max_num_seqs": 64, **more}))
        self._fingerprint = serving.executor.numeric_fingerprint
        self._contender = EngineContender(serving)
        self._load: list[Any] = []

    def describe(self) -> dict[str, str]:
        from weft.contracts.version import __version__

        return {"weft": __version__, "fingerprint": self._fingerprint}

    def prefill(self, tokens: list[int]) -> float:
        from weft.measurement.contenders import Job

        return len(tokens) / self._contender.latency([Job(tuple(tokens), 1)]).prefill_tokens_per_s

    def prepare(self, rows: list[list[int]]) -> None:
        from weft.measurement.contenders import Job

        self._load = [Job(tuple(row), 2) for row in rows]
        self._contender.latency(self._load)

    def steps(self, count: int) -> list[float]:
        run = self._contender.latency([job._replace(output_tokens=count + 2) for job in self._load])
        assert run.decode_tokens_per_s is not None
        return [len(self._load) / run.decode_tokens_per_s]

    def serve(self, load: list[Any]) -> list[list[float]]:
        from weft.measurement.contenders import Job

        jobs = [(arrival_s, Job(tuple(prompt), output_tokens)) for arrival_s, prompt, output_tokens in load]
        return [[times[0], times[-1], len(times)] for times in self._contender.spaced(jobs)]
