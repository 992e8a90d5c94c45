"""The server whose stages are timed, in a process of its own that is told when to watch itself."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.measurement.bench_model import RANDOM_MODEL, BenchModel, find_model
from weft.measurement.latency_stages import Span
from weft.model_specs.builtin import builtin_model
from weft.model_specs.families import spec_from_config

MODULE = "weft.cli.watched_server"
SERVED_NAME = "bench"
TEXT_TOKENS = 1024
"""Entries of the built-in tokenizer, with which random models talk."""
STOP_S = 30


def talking_model(directory: Path | None, shape: Mapping[str, Any] | None = None) -> BenchModel:
    """A checkpoint, or random weights of a shape with as many tokens as the built-in tokenizer has: every token that
    it makes has a text, as with a model that was trained. Raises `ConfigurationError` for no known model."""
    config = {**RANDOM_MODEL, **(shape or {}), "vocab_size": TEXT_TOKENS}
    return model_of(None if directory is None else str(directory), config)


def model_of(directory: str | None, config: Mapping[str, Any]) -> BenchModel:
    """As it is described to the other process."""
    if directory is not None:
        return find_model(Path(directory))
    return BenchModel(spec_from_config(config, "the random model"), None, config)


class WatchedServer:
    """`port`: where it listens. `serving`: what it serves, and how, for reports."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.port, self.serving = 0, dict[str, Any]()
        told = self._answer()
        self.port, self.serving = told["port"], told["serving"]

    def watch(self, is_watched: bool) -> None:
        """From now on, or no longer. What was seen before and not taken is forgotten."""
        self._order("on" if is_watched else "off")

    def take(self) -> list[Span]:
        """What was seen since the last time."""
        return [Span(*each) for each in self._order("take")]

    def _order(self, word: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ConfigurationError("the server ended; what it says above is why")
        return json.loads(line)


@contextmanager
def watched_server(model: BenchModel, options: Mapping[str, Any]) -> Iterator[WatchedServer]:
    """Up while the context lasts. `options`: fields of `ServingOptions`. Raises `ConfigurationError` where it does not
    start."""
    texts = builtin_model() if model.directory is None else model.directory
    directory = None if model.directory is None else str(model.directory)
    asked = {"directory": directory, "config": model.config, "texts": str(texts), "options": options}
    command = [sys.executable, "-m", MODULE, json.dumps(asked)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield WatchedServer(process)
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[str]") -> None:
    try:
        process.communicate(timeout=STOP_S)  # closes its stdin, by which it ends
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def plain_options(options: ServingOptions, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a bench chose, the fields that differ from the defaults or were given."""
    names = {*given, "max_model_len", "max_num_seqs"}
    return {name: getattr(options, name) for name in sorted(names)}
