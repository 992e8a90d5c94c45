"""Families that can be planned for and simulated, whether or not Weft computes them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import ConfigReader, naming, read_json_object, show
from weft.model_specs.deepseek_v3 import read_deepseek_v3
from weft.model_specs.falcon import read_falcon
from weft.model_specs.families import FAMILIES, read_architecture, read_spec
from weft.model_specs.gguf_header import is_gguf
from weft.model_specs.gpt_oss import read_gpt_oss
from weft.model_specs.learned_positions import read_gpt2, read_opt
from weft.model_specs.minimax_m2 import read_minimax_m2
from weft.model_specs.mixtral import read_mixtral
from weft.model_specs.model_spec import ModelSpec

PLANNED_ONLY: dict[str, Callable[[ConfigReader], ModelSpec]] = {
    "MixtralForCausalLM": read_mixtral,
    "DeepseekV3ForCausalLM": read_deepseek_v3,
    "FalconForCausalLM": read_falcon,
    "OPTForCausalLM": read_opt,
    "GPT2LMHeadModel": read_gpt2,
    "GptOssForCausalLM": read_gpt_oss,
    "MiniMaxM2ForCausalLM": read_minimax_m2,
}
"""By architecture, those that a server of ours would refuse."""


def planning_spec(config: Mapping[str, object], where: str) -> ModelSpec:
    """The spec that a parsed config.json describes, for planning. `where`: the file's name, for errors."""
    with naming(where):
        reader = ConfigReader(config)
        architecture = read_architecture(reader)
        if architecture in FAMILIES:
            return FAMILIES[architecture].read(reader)
        if architecture not in PLANNED_ONLY:
            known = ", ".join((*FAMILIES, *PLANNED_ONLY))
            raise ConfigurationError(f"architecture {show(architecture)} is unknown; known are {known}")
        return PLANNED_ONLY[architecture](reader)


def read_planning_spec(path: Path) -> ModelSpec:
    """That of a directory with a config.json, of such a file itself, or of a GGUF file."""
    if is_gguf(path):
        return read_spec(path)
    file = path / "config.json" if path.is_dir() else path
    return planning_spec(read_json_object(file), str(file))
