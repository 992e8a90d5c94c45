"""An adapter added to its base: a checkpoint that needs no adapter any more."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.adapter_files import AdapterConfig, factor_names, read_adapter
from weft.weights.checkpoint_files import INDEX_FILE, open_checkpoint
from weft.weights.messages import first_few, quoted
from weft.weights.save import CONFIG_FILE, save_checkpoint
from weft.weights.tensor_file import TensorFile

TEXT_FILES = ("*.json", "*.model", "*.jinja", "merges.txt")
"""What lies beside weights: tokenizer, chat template, defaults of generation."""


class MergedTensors(Mapping[str, Tensor]):
    """The tensors of a base, each made as it is asked for: W + alpha / rank B A, added in float32 and rounded once to
    the format of the base, or W alone where the adapter has nothing for it.

    Raises `ConfigurationError` where the adapter has factors that the base has no matrix for, or of other shapes.
    """

    def __init__(self, base: Path, adapter: Path) -> None:
        self._base = open_checkpoint(base)
        self._config, self._factors = read_adapter(adapter)
        self.num_adapted = self._check_fits(base)

    def __getitem__(self, name: str) -> Tensor:
        weight_OI = self._base[name].read(name)
        if factor_names(name)[0] not in self._factors.names:
            return weight_OI
        update_OI = product(self._config, self._factors, name)
        return (weight_OI.float() + update_OI).to(weight_OI.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)

    def _check_fits(self, base: Path) -> int:
        """How many matrices are adapted."""
        wanted = {factor_names(name): file.shape(name) for name, file in self._base.items()}
        found = {names: shape for names, shape in wanted.items() if names[0] in self._factors.names}
        strange = set(self._factors.names).symmetric_difference(name for names in found for name in names)
        if strange or not found:
            raise ConfigurationError(
                f"{self._factors.path} does not fit {base}: {first_few(sorted(strange))} has no counterpart; "
                f"name the base that it was made for ({self._config.base})"
            )
        for (a_name, b_name), shape in found.items():
            self._check_shape(a_name, (self._config.rank, shape[-1]))
            self._check_shape(b_name, (shape[0], self._config.rank))
        return len(found)

    def _check_shape(self, name: str, shape: tuple[int, int]) -> None:
        if self._factors.shape(name) != shape:
            raise ConfigurationError(
                f"{self._factors.path}: {quoted(name)} has shape {list(self._factors.shape(name))}, and the base asks "
                f"for {list(shape)}; name the base that it was made for ({self._config.base})"
            )


def product(config: AdapterConfig, factors: TensorFile, weight: str) -> Tensor:
    """alpha / rank B A of a checkpoint's matrix: [O, I], float32."""
    a_RI, b_OR = (factors.read(name).to(torch.float32) for name in factor_names(weight))
    return config.scale * (b_OR @ a_RI)


def merge_adapter(base: Path, adapter: Path, target: Path) -> int:
    """Write the directory of a model that is `base` with the adapter in it; how many matrices changed.

    `target` must not exist or be empty, and is whole or absent afterwards. Raises `ConfigurationError` where the
    adapter does not fit the base.
    """
    tensors = MergedTensors(base, adapter)
    save_checkpoint(target, read_config(base), tensors, other_files=text_files(base))
    return tensors.num_adapted


def read_config(base: Path) -> dict[str, object]:
    """A model's config.json. Raises `ConfigurationError` where it cannot be read."""
    try:
        config: dict[str, object] = json.loads((base / CONFIG_FILE).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{base / CONFIG_FILE} cannot be read ({error}); check the model") from error
    return config


def text_files(base: Path) -> dict[str, Path]:
    """By name, what lies beside a model's weights and config."""
    found = {path.name: path for pattern in TEXT_FILES for path in sorted(base.glob(pattern))}
    return {name: path for name, path in found.items() if name not in (CONFIG_FILE, INDEX_FILE)}
