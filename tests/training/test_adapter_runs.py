"""Runs that make adapters: what they leave, how they go on, which bases they refuse."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.interrupting import stop_at
from tests.training.small_adapter import small_adapter, write_base
from tests.training.small_recipe import small
from weft.contracts.errors import ConfigurationError
from weft.training.adapter_recipe import AdapterShape, with_base
from weft.training.curve import read_curve
from weft.training.needs import estimate_needs
from weft.training.products import product_of
from weft.training.run import RunOptions, TrainingInterrupted, as_begun, resume, train

OPTIONS = RunOptions(checkpoint_every_steps=2)


def silent(line: str) -> None:
    assert "\n" not in line


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("bases") / "base")


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    root = tmp_path_factory.mktemp("whole") / "adapter"
    train(small_adapter(base), root, OPTIONS, silent)
    return root


def test_it_leaves_an_adapter_and_a_curve_that_falls(whole: Path, base: Path) -> None:
    assert sorted(path.name for path in whole.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "training",
    ]
    config = json.loads((whole / "adapter_config.json").read_text())
    assert (config["peft_type"], config["task_type"]) == ("LORA", "CAUSAL_LM")
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (3, 12, str(base))
    assert config["target_modules"] == ["q_proj", "v_proj", "down_proj"]
    factors = load_file(whole / "adapter_model.safetensors")
    name = "base_model.model.model.layers.1.mlp.down_proj"
    assert factors[f"{name}.lora_A.weight"].shape == (3, 48)
    assert factors[f"{name}.lora_B.weight"].shape == (32, 3)
    assert factors[f"{name}.lora_B.weight"].any()
    rows = read_curve(whole / "training" / "curve.csv")
    assert [row["step"] for row in rows] == ["3", "6"]
    assert float(rows[1]["fresh_bits_per_byte"]) < float(rows[0]["fresh_bits_per_byte"])


@pytest.mark.parametrize("names_base", [True, False])
def test_a_stopped_run_goes_on_and_ends_with_the_same_bits(
    whole: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names_base: bool
) -> None:
    root = tmp_path / "adapter"
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(TrainingInterrupted):
            train(small_adapter(base), root, OPTIONS, silent)
    assert not (root / "adapter_config.json").exists()
    again = small_adapter(base if names_base else None)
    recipe, dtype = as_begun(again, root, seed=None, num_steps=None, dtype=None)
    assert (recipe, dtype) == (small_adapter(base), "float32")
    resume(recipe, root, OPTIONS, silent)
    expected = load_file(whole / "adapter_model.safetensors")
    found = load_file(root / "adapter_model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    with pytest.raises(ConfigurationError, match="is over; there is nothing to resume"):
        resume(recipe, root, OPTIONS, silent)


def test_a_base_that_changed_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, root = write_base(tmp_path / "base"), tmp_path / "adapter"
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        with pytest.raises(TrainingInterrupted):
            train(small_adapter(base), root, OPTIONS, silent)
    weights = load_file(base / "model.safetensors")
    save_file({name: tensor * 2 for name, tensor in weights.items()}, base / "model.safetensors")
    with pytest.raises(ConfigurationError, match=r"recipe\.base_files is "):
        resume(small_adapter(base), root, OPTIONS, silent)


def test_a_base_is_asked_for_where_it_is_needed_and_only_there(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'small-adapter' makes an adapter; .* with --base"):
        train(small_adapter(None), tmp_path / "out", OPTIONS, silent)
    with pytest.raises(ConfigurationError, match="'small' makes a whole model; leave --base out"):
        with_base(small(), base)
    assert with_base(small_adapter(None), base) == small_adapter(base)
    assert with_base(small(), None) == small()


def test_bases_that_do_not_fit_are_refused_before_anything_is_written(base: Path, tmp_path: Path) -> None:
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        train(small_adapter(empty), out, OPTIONS, silent)
    with pytest.raises(ConfigurationError, match=r"made for 256 tokens, .* a context of 300"):
        train(replace(small_adapter(base), context_tokens=300), out, OPTIONS, silent)
    other = write_base(tmp_path / "other")
    tokenizer = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(tokenizer.replace("<|user|>", "<|human|>"))
    with pytest.raises(
        ConfigurationError, match=r"has no <\\|user\\|>, which the texts of recipe 'small-adapter'"
    ):
        train(small_adapter(other), out, OPTIONS, silent)
    (other / "tokenizer.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"tokenizer.json cannot be read .*; name a base with"):
        train(small_adapter(other), out, OPTIONS, silent)
    assert not out.exists()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (AdapterShape(0, 1), "rank is 0; it must be at least 1"),
        (AdapterShape(1, 0), "alpha is 0; it must be above 0"),
        (AdapterShape(1, 1, ()), "targets are .*; choose some of q_proj"),
        (AdapterShape(1, 1, ("lm_head",)), "targets are .*lm_head"),
    ],
)
def test_shapes_that_cannot_be_trained(shape: AdapterShape, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"recipe 'small-adapter': {message}"):
        replace(small_adapter(None), adapter=shape)


def test_an_adapter_needs_less_than_its_base_would(base: Path) -> None:
    recipe = small_adapter(base)
    adapter, model = product_of(recipe), product_of(small())
    # q: 32 and 32, v: 32 and 16, down: 48 and 32, each by rank 3, in two layers.
    assert adapter.num_trained == 2 * 3 * (64 + 48 + 80)
    assert model.num_trained == model.spec.num_parameters
    ours = estimate_needs(recipe, torch.float32)
    theirs = estimate_needs(replace(small(), batch_tokens=recipe.batch_tokens), torch.float32)
    assert ours.states < theirs.states
    assert ours.disk < theirs.disk / 5
    assert ours.activations == theirs.activations
