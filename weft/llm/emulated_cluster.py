"""Replicas of a model that is not there, behind a live router: for load tests of routing and recovery."""

from pathlib import Path
from typing import Any

from weft.contracts.options import serving_options
from weft.llm.cluster_llm import ClusterLLM, MakeBackend, ServedByReplicas
from weft.llm.emulated_llm import emulated_deployment, hardware_name, text_directory
from weft.llm.emulated_outputs import DEFAULT_MEAN_TOKENS, EmulatedOutputs


class EmulatedClusterLLM(ClusterLLM):
    """As `ClusterLLM`, each replica an `EmulatedLLM` of `model` on hardware of its own. Raises `ConfigurationError` as
    both do."""

    def __init__(
        self,
        model: str,
        hardware: str,
        make_backend: MakeBackend,
        *,
        output_tokens: float = DEFAULT_MEAN_TOKENS,
        **named: Any,
    ) -> None:
        EmulatedOutputs(output_tokens)  # says what is wrong with it
        self._emulated = model, hardware, output_tokens
        self._hardware = ""
        super().__init__(text_directory(model, named.get("tokenizer")), make_backend, **named)

    @property
    def emulates(self) -> str:
        return self._hardware

    def _shared(
        self, model: Path, options: dict[str, Any], replicas: int
    ) -> tuple[ServedByReplicas, dict[str, Any]]:
        assert self._emulated is not None
        planned = emulated_deployment(*self._emulated[:2], serving_options(options))
        self._hardware = hardware_name(planned)
        return ServedByReplicas(planned.spec, planned.max_model_len, planned.config), options
