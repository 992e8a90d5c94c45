"""The model families by the architecture that config.json names, and reading a model's directory.

A family of your own: write a function from `ConfigReader` to `ModelSpec` and a torch class in the manner of
`weft.models.llama`, and call `register(Family("MyForCausalLM", read_mine, "my_package.my_model:MyModel"))`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import ConfigReader, naming, read_json_object, show
from weft.model_specs.gguf_config import gguf_config, with_factors
from weft.model_specs.gguf_header import is_gguf, open_gguf
from weft.model_specs.llama import read_llama
from weft.model_specs.mistral import read_mistral
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.qwen2 import read_qwen2
from weft.model_specs.qwen3 import read_qwen3
from weft.model_specs.qwen3_moe import read_qwen3_moe


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one architecture: what reads their config, and `module:Class` that computes them in torch.

    `model` is a name, not the class, so that a simulation can know the family without importing torch.
    """

    architecture: str
    read: Callable[[ConfigReader], ModelSpec]
    model: str


FAMILIES: dict[str, Family] = {
    family.architecture: family
    for family in (
        Family("LlamaForCausalLM", read_llama, "weft.models.llama:Llama"),
        Family("MistralForCausalLM", read_mistral, "weft.models.mistral:Mistral"),
        Family("Qwen2ForCausalLM", read_qwen2, "weft.models.qwen2:Qwen2"),
        Family("Qwen3ForCausalLM", read_qwen3, "weft.models.qwen3:Qwen3"),
        Family("Qwen3MoeForCausalLM", read_qwen3_moe, "weft.models.qwen3_moe:Qwen3Moe"),
    )
}
"""Every family that is known, by architecture."""


def register(family: Family) -> None:
    """Make a family known; raises `ConfigurationError` where its architecture belongs to another already."""
    module, _, name = family.model.partition(":")
    if not module or not name:
        raise ConfigurationError(f"model is {family.model!r}; it must be of the form module:Class")
    known = FAMILIES.get(family.architecture, family)
    if known.model != family.model:
        raise ConfigurationError(
            f"architecture {family.architecture!r} is computed by {known.model} already; choose another name"
        )
    FAMILIES[family.architecture] = family  # again where its module was reloaded


def family_of(architecture: str) -> Family:
    """The family of an architecture; raises `ConfigurationError` for an unknown one."""
    if architecture not in FAMILIES:
        raise ConfigurationError(
            f"architecture {show(architecture)} is unknown; supported are {', '.join(FAMILIES)} "
            "(weft.model_specs.families.register adds one of your own)"
        )
    return FAMILIES[architecture]


def read_spec(path: Path) -> ModelSpec:
    """The spec of the model in a directory with a config.json, or in a GGUF file."""
    if is_gguf(path):
        header, stored = open_gguf(path)
        return with_factors(spec_from_config(gguf_config(header, path), str(path)), header, stored, path)
    if not path.is_dir():
        raise ConfigurationError(
            f"model {path} is no directory; give one with config.json and the weights, or a GGUF file"
        )
    file = path / "config.json"
    return spec_from_config(read_json_object(file), str(file))


def spec_from_config(config: Mapping[str, object], where: str) -> ModelSpec:
    """The spec that a parsed config.json describes. `where`: the file's name, for errors."""
    with naming(where):
        reader = ConfigReader(config)
        return family_of(read_architecture(reader)).read(reader)


def read_architecture(config: ConfigReader) -> str:
    """The one name in `architectures`."""
    names = config.values.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise config.refuse("architectures", f"a list with one name, such as [{show(next(iter(FAMILIES)))}]")
    return names[0]
