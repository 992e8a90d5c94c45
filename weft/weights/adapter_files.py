"""Adapters as files: a directory in PEFT's format with low-rank updates (LoRA, Hu et al., arXiv 2106.09685)."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.messages import clipped
from weft.weights.tensor_file import TensorFile

ADAPTER_CONFIG_FILE = "adapter_config.json"
ADAPTER_FILE = "adapter_model.safetensors"

NAME_START, WEIGHT_END = "base_model.model.", ".weight"

REFUSED_FIELDS: Mapping[str, tuple[object, ...]] = {
    "bias": (None, "none"),
    "use_dora": (None, False),
    "use_rslora": (None, False),
    "fan_in_fan_out": (None, False),
    "lora_bias": (None, False),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
}
"""Fields of other kinds of adapters, with the values under which they mean nothing."""


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What adapter_config.json says: each adapted matrix becomes W + alpha / rank B A.

    `targets`: the last part of the names of what is adapted. `base`: where the model is that it was made for.
    """

    rank: int
    alpha: float
    targets: tuple[str, ...]
    base: str

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return self.alpha / self.rank


def factor_names(weight: str) -> tuple[str, str]:
    """What an adapter calls the factors A [rank, inputs] and B [outputs, rank] of a checkpoint's matrix."""
    stem = NAME_START + weight.removesuffix(WEIGHT_END)
    return f"{stem}.lora_A{WEIGHT_END}", f"{stem}.lora_B{WEIGHT_END}"


def save_adapter(directory: Path, config: AdapterConfig, factors: Mapping[str, Tensor]) -> None:
    """Put an adapter beside what else is in `directory`; adapter_config.json, without which nobody takes it for one,
    comes last. Raises `ConfigurationError` where it cannot be written."""
    described = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": config.base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": 0.0,
        "target_modules": list(config.targets),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    files = {
        ADAPTER_FILE: save(
            {name: tensor.detach().cpu().contiguous() for name, tensor in factors.items()}, {"format": "pt"}
        ),
        ADAPTER_CONFIG_FILE: (json.dumps(described, indent=2) + "\n").encode(),
    }
    try:
        for name, content in files.items():
            _write_whole(directory / name, content)
    except OSError as error:
        raise ConfigurationError(
            f"adapter {directory} cannot be written: {error.strerror}; make room and try again"
        ) from error


def _write_whole(path: Path, content: bytes) -> None:
    """The file has its name only once it is whole and on the disk."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_adapter(directory: Path) -> tuple[AdapterConfig, TensorFile]:
    """The config, and the file with the factors, opened. Raises `ConfigurationError` where there is none, or one of
    another kind."""
    path = directory / ADAPTER_CONFIG_FILE
    try:
        described = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({clipped(str(error))}); name a directory with an adapter in PEFT's format"
        ) from error
    return _config(described, path), TensorFile(directory / ADAPTER_FILE)


def _config(described: Any, path: Path) -> AdapterConfig:
    if not isinstance(described, dict) or described.get("peft_type") != "LORA":
        raise ConfigurationError(
            f"{path} does not describe a LoRA adapter (peft_type LORA); name one that does"
        )
    for field, harmless in REFUSED_FIELDS.items():
        if described.get(field) not in harmless:
            value = clipped(repr(described[field]))
            raise ConfigurationError(f"{path}: {field} is {value}, which Weft does not do; use plain LoRA")
    rank, alpha, targets = (described.get(field) for field in ("r", "lora_alpha", "target_modules"))
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise ConfigurationError(
            f"{path}: r is {rank!r} and lora_alpha {alpha!r}; both must be numbers above 0"
        )
    names = targets if isinstance(targets, list) else [str(targets)]
    return AdapterConfig(rank, alpha, tuple(map(str, names)), str(described.get("base_model_name_or_path")))
