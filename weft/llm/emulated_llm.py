"""A server without a model: all that is around one is live, and steps take as long as on other hardware.

For load tests of what stands before a server (routers, clients, dashboards), and for telling what a server does apart
from what the machine beneath it does.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weft.contracts.callers import ANYONE, Caller
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.options import ServingOptions
from weft.contracts.requests import Pooling, Request
from weft.engine.config import EngineConfig
from weft.llm.async_llm import AsyncLLM
from weft.llm.emulated_executor import EmulatedExecutor
from weft.llm.emulated_outputs import DEFAULT_MEAN_TOKENS, EmulatedOutputs
from weft.llm.prompting import Prompt
from weft.llm.results import EmbeddingOutput
from weft.model_specs.builtin import builtin_model
from weft.model_specs.gguf_header import is_gguf
from weft.model_specs.model_spec import ModelSpec
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.text.constraints import Grammars
from weft.text.loading import find_tokenizer

SAID = " No model has computed this: it only takes as long as one would."
"""What outputs say, again and again."""
NOT_EMULATED = ("backend", "device", "quantization", "kv_cache_dtype", "num_threads")
"""Fields of `ServingOptions` that say how to compute."""
_COUNTED = re.compile(r"\s*(\d{1,4})\s*[x×]\s*(\S.*)")


@dataclass(frozen=True, slots=True)
class EmulatedServing:
    """A deployment that is only paced. `hardware`: its devices, by name."""

    spec: ModelSpec
    max_model_len: int
    config: EngineConfig
    hardware: str
    executor: EmulatedExecutor

    def follow(self, grammars: Grammars) -> None:
        """Constraints are refused before they come here."""

    def close(self) -> None:
        """End the threads."""
        self.executor.close()


class EmulatedLLM(AsyncLLM):
    """As `AsyncLLM`, of a model that is not there.

    `model`: its directory, its config.json, or its name in the catalogue. `hardware`: of the catalogue (`h100`), with
    a count (`4xh100`) for tensor parallelism over so many devices, or `local`, as it was calibrated. Outputs end after
    `output_tokens` on average, unless their client ignores the model's end; `seed`: of when. Tokenizer and template are
    those of the directory, of `tokenizer` and `chat_template`, or the built-in model's. `named` and the rest as
    `AsyncLLM` takes them; where to compute and in which integers cannot be chosen.

    Raises `ConfigurationError` for whatever keeps such a model from being served by such hardware.
    """

    serving: EmulatedServing

    def __init__(
        self,
        model: str,
        hardware: str,
        *,
        output_tokens: float = DEFAULT_MEAN_TOKENS,
        seed: int = 0,
        **named: Any,
    ) -> None:
        self._model, self._hardware = model, hardware
        self._outputs = EmulatedOutputs(output_tokens, seed)
        super().__init__(text_directory(model, named.get("tokenizer")), **named)

    @property
    def emulates(self) -> str:
        return self.serving.hardware

    def _load(self, directory: Path, options: ServingOptions) -> EmulatedServing:
        planned = emulated_deployment(self._model, self._hardware, options)
        hardware = hardware_name(planned)
        named = re.sub(r"[^a-z0-9]+", "-", f"emulated {hardware}".lower())
        executor = EmulatedExecutor(planned, named, self._outputs.lengths, planned.depth)
        return EmulatedServing(planned.spec, planned.max_model_len, planned.config, hardware, executor)

    def is_held(self, request: Request) -> bool:
        return True

    def _prepare(self) -> EmulatedOutputs:
        prompting, executor = self.prompting, self.serving.executor
        assert prompting.tokenizer is not None  # of the built-in model where no other is there
        executor.words = tuple(prompting.tokenizer.encode(SAID, add_special=False))
        executor.end_token = next(iter(prompting.end_token_ids), executor.words[0])
        self._outputs.end_token_ids = prompting.end_token_ids
        return self._outputs

    async def embed(
        self, prompt: Prompt, pooling: Pooling | str | None = None, caller: Caller = ANYONE
    ) -> EmbeddingOutput:
        """Raises `InvalidRequest`."""
        raise InvalidRequest(
            "this model is emulated, and has no hidden states; ask a real one for embeddings"
        )


def emulated_deployment(model: str, hardware: str, options: ServingOptions) -> Deployment:
    """What is served, with the queue of a server. The host is this machine, so no constants of a server are added.

    Raises `ConfigurationError` as `EmulatedLLM` does.
    """
    _check(options)
    counted = _COUNTED.fullmatch(hardware)
    count, name = (1, hardware) if counted is None else (int(counted[1]), counted[2])
    planned = plan_deployment(model, DeploymentOptions(name, tp=count, server="none", serving=options))
    return replace(planned, config=replace(planned.config, max_queued_tokens=None))


def hardware_name(planned: Deployment) -> str:
    """Of the devices of a copy."""
    count, device = planned.plan.num_devices, planned.cluster.device.name
    return device if count == 1 else f"{count} x {device}"


def _check(options: ServingOptions) -> None:
    plain = ServingOptions()
    for name in NOT_EMULATED:
        if getattr(options, name) != getattr(plain, name):
            raise ConfigurationError(
                f"{name} is {getattr(options, name)!r}, and where hardware is emulated nothing computes; leave it out"
            )


def text_directory(model: str, tokenizer: str | Path | None) -> Path:
    """Where texts are read and written by: the model's own, where there is a tokenizer, else the built-in one's."""
    path = Path(model).expanduser()
    if tokenizer is not None and Path(tokenizer).is_dir():
        return Path(tokenizer)
    directory = path.parent if path.is_file() and not is_gguf(path) else path
    return directory if directory.exists() and find_tokenizer(directory) is not None else builtin_model()
