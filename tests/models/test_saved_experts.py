"""A mixture of experts that we save is one that transformers reads, and messages name the config's keys."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.model_specs.expert_configs import TINY_EXPERTS
from tests.models.paged_runs import PagedRuns, whole
from weft.contracts.errors import ConfigurationError
from weft.executor.loading import build_model
from weft.model_specs.families import spec_from_config
from weft.ops.torch_ops import TorchOps
from weft.training.trainable_weights import TrainableWeights
from weft.weights.random_weights import RandomWeights
from weft.weights.save import save_checkpoint

CONFIG = TINY_EXPERTS | {
    "model_type": "qwen3_moe",
    "moe_intermediate_size": 12,  # transformers' grouped product takes rows of whole 16 bytes only
    "norm_topk_prob": True,
    "mlp_only_layers": [0],
}
TEXT = (1, 5, 3, 9, 9, 2, 7)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A random model with a name for each tensor of each expert."""
    weights = TrainableWeights(RandomWeights(0, torch.float32, torch.device("cpu"), std=0.35))
    build_model(spec_from_config(CONFIG, "c"), weights, TorchOps(1), 8)
    save_checkpoint(tmp_path / "model", CONFIG, weights.values(torch.float32))
    assert "model.layers.1.mlp.experts.4.down_proj.weight" in weights.parameters
    return tmp_path / "model"


def test_transformers_computes_what_we_saved(saved: Path) -> None:
    (ours,) = PagedRuns(saved, TorchOps(1)).logits([TEXT], whole([len(TEXT)]))
    with torch.no_grad():
        theirs = AutoModelForCausalLM.from_pretrained(saved)(torch.tensor([TEXT])).logits[0]
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"moe_intermediate_size": 7}, "check moe_intermediate_size and hidden_size in config.json"),
        ({"num_experts": 4}, "check num_experts and hidden_size in config.json"),
        ({"mlp_only_layers": []}, "holds no tensor 'model.layers.0.mlp.gate.weight'"),
    ],
)
def test_a_config_of_other_sizes_is_told_so(saved: Path, changes: dict[str, object], advice: str) -> None:
    (saved / "config.json").write_text(json.dumps(CONFIG | changes))
    with pytest.raises(ConfigurationError, match=advice):
        PagedRuns(saved, TorchOps(1))
