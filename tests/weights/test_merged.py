"""Adapters that do not fit their base, or are of another kind, are refused by what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from weft.contracts.errors import ConfigurationError
from weft.weights.adapter_files import AdapterConfig, factor_names, save_adapter
from weft.weights.merged import merge_adapter
from weft.weights.save import save_checkpoint

WEIGHT = "model.layers.0.self_attn.q_proj.weight"
CONFIG = AdapterConfig(rank=2, alpha=8, targets=("q_proj",), base="somewhere")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "notes.json").write_text("[1]")
    tensors = {WEIGHT: torch.arange(12.0).view(3, 4), "other.weight": torch.ones(2, dtype=torch.bfloat16)}
    files = {"tokenizer.json": tmp_path / "notes.json"}
    save_checkpoint(tmp_path / "base", {"model_type": "any"}, tensors, other_files=files)
    return tmp_path / "base"


def write_adapter(directory: Path, factors: dict[str, torch.Tensor] | None = None, **changes: Any) -> Path:
    a_name, b_name = factor_names(WEIGHT)
    directory.mkdir()
    save_adapter(directory, CONFIG, factors or {a_name: torch.ones(2, 4), b_name: torch.eye(3, 2)})
    described = json.loads((directory / "adapter_config.json").read_text()) | changes
    (directory / "adapter_config.json").write_text(json.dumps(described))
    return directory


def test_the_update_is_added_and_everything_else_stays(base: Path, tmp_path: Path) -> None:
    target = tmp_path / "merged"
    assert merge_adapter(base, write_adapter(tmp_path / "adapter"), target) == 1
    found = load_file(target / "model.safetensors")
    update = 4.0 * torch.tensor([[1.0] * 4, [1.0] * 4, [0.0] * 4])
    assert torch.equal(found[WEIGHT], torch.arange(12.0).view(3, 4) + update)
    assert torch.equal(found["other.weight"], torch.ones(2, dtype=torch.bfloat16))
    assert (target / "tokenizer.json").read_text() == "[1]"
    assert json.loads((target / "config.json").read_text()) == {"model_type": "any"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "does not describe a LoRA adapter"),
        ({"use_dora": True}, "use_dora is True, which Weft does not do"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern is {'q_proj': 4}"),
        ({"r": 0}, "r is 0 and lora_alpha 8; both must be numbers above 0"),
        ({"r": 1}, r"lora_A.*has shape \[2, 4\], and the base asks for \[1, 4\]"),
    ],
)
def test_other_kinds_are_refused(base: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        merge_adapter(base, write_adapter(tmp_path / "adapter", **changes), tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_factors_without_a_matrix_or_a_partner_are_refused(base: Path, tmp_path: Path) -> None:
    a_name, b_name = factor_names(WEIGHT)
    whole = {a_name: torch.ones(2, 4), b_name: torch.ones(3, 2)}
    lone = write_adapter(tmp_path / "lone", {a_name: whole[a_name]})
    strange = write_adapter(tmp_path / "strange", whole | {"lora_magnitude": torch.ones(1)})
    for adapter, name in ((lone, "lora_B"), (strange, "lora_magnitude")):
        with pytest.raises(ConfigurationError, match=f"{name}.* has no counterpart; .*somewhere"):
            merge_adapter(base, adapter, tmp_path / "merged")


def test_a_directory_without_an_adapter(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"adapter_config.json cannot be read .*PEFT's format"):
        merge_adapter(base, base, tmp_path / "merged")
    adapter = write_adapter(tmp_path / "adapter")
    save_file({"x": torch.ones(1)}, adapter / "adapter_model.safetensors")
    with pytest.raises(ConfigurationError, match="does not fit"):
        merge_adapter(base, adapter, tmp_path / "merged")
