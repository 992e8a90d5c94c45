"""Models in GGUF files compute what those of Hugging Face directories do."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.models.oracle import VARIANTS, Oracle
from tests.weights.gguf_models import gguf_tensors, sizes, write_model
from tests.weights.gguf_writing import stored, value, write
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.options import QUANTIZATIONS, ServingOptions
from weft.executor.inspection import inspect_checkpoint
from weft.executor.loading import build_model
from weft.executor.packed_loading import open_packed
from weft.executor.serving_plan import plan_serving
from weft.model_specs.builtin import builtin_model
from weft.model_specs.families import read_spec
from weft.model_specs.rope_scalings import Llama3Scaling
from weft.ops.backend import PackedBatch
from weft.ops.torch_ops import TorchOps
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.gguf_blocks import floats_of_blocks, pack_blocks
from weft.weights.gguf_file import GgufFile
from weft.weights.gguf_tensors import GgufTensors
from weft.weights.linear import Linear
from weft.weights.packed import PackedFormat, PackedLinear
from weft.weights.packing import PackedWeights

CPU = torch.device("cpu")
LLAMA, QWEN3 = "llama-tied-wide-heads", "qwen3"
SAME = ["llama", LLAMA, "llama-rope-linear", "llama-rope-yarn", "mistral", "qwen2", QWEN3, "qwen3-moe"]
SCALINGS: dict[str, dict[str, object]] = {
    "llama-rope-linear": {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0},
    "llama-rope-yarn": {
        "llama.rope.scaling.type": "yarn",
        "llama.rope.scaling.factor": 4.0,
        "llama.rope.scaling.original_context_length": 64,
    },
}
NUM_TOKENS = 21


def weights(path: Path) -> CheckpointWeights:
    return CheckpointWeights(path, torch.float32, CPU)


@torch.no_grad()
def logits(path: Path) -> Tensor:
    """Of the same tokens in float32."""
    spec, ops = read_spec(path), TorchOps(1)
    model = build_model(spec, weights(path), ops, 64)
    tokens_T, positions_T = torch.arange(NUM_TOKENS) * 7 % spec.vocab_size, torch.arange(NUM_TOKENS)
    plan = ops.plan_attention(PackedBatch([NUM_TOKENS], spec.layer_windows))
    return model.logits(model.forward(tokens_T, positions_T, plan))


@pytest.fixture(scope="session")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random models of transformers by variant; those of 32 inputs or a multiple are made for blocks."""
    made = {name: Oracle(VARIANTS[name], tmp_path_factory.mktemp(name)).directory for name in SAME}
    changes = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}
    for name, family in (("blocks-llama", "llama"), ("blocks-qwen3", QWEN3), ("blocks-tied", LLAMA)):
        variant = VARIANTS[family]._replace(changes={**VARIANTS[family].changes, **changes})
        made[name] = Oracle(variant, tmp_path_factory.mktemp(name)).directory
    return made


@pytest.mark.parametrize("name", SAME)
def test_floats_give_the_same_logits(directories: dict[str, Path], name: str, tmp_path: Path) -> None:
    file = write_model(directories[name], tmp_path / "model.gguf", "F32", SCALINGS.get(name))
    architecture = "LlamaForCausalLM" if name == "mistral" else read_spec(directories[name]).architecture
    assert read_spec(file) == replace(read_spec(directories[name]), architecture=architecture)
    assert torch.equal(logits(file), logits(directories[name]))
    assert inspect_checkpoint(file) == read_spec(file)


@pytest.mark.parametrize("format", ["F16", "BF16", "Q8_0", "Q4_0"])
@pytest.mark.parametrize("name", ["blocks-llama", "blocks-qwen3", "blocks-tied"])
def test_narrower_formats_give_the_logits_of_what_they_hold(
    directories: dict[str, Path], name: str, format: str, tmp_path: Path
) -> None:
    file = write_model(directories[name], tmp_path / "model.gguf", format)
    (tmp_path / "held").mkdir()
    config = json.loads((directories[name] / "config.json").read_text())
    (tmp_path / "held" / "config.json").write_text(json.dumps(config))
    held = GgufTensors(file)
    save_file({each: held.read(each).float() for each in held.names}, tmp_path / "held/model.safetensors")
    found = logits(file)
    assert torch.equal(found, logits(tmp_path / "held"))
    assert not torch.equal(found, logits(directories[name]))
    wanted = NumberFormat.FLOAT16 if format == "F16" else NumberFormat.BFLOAT16
    assert read_spec(file).stored_format is wanted


def test_weft_tiny_in_its_own_format(tmp_path: Path) -> None:
    file = write_model(builtin_model(), tmp_path / "tiny.gguf", "BF16")
    assert read_spec(file) == read_spec(builtin_model())
    assert torch.equal(logits(file), logits(builtin_model()))


def test_factors_of_pairs_are_the_scaling_of_llama_3(tmp_path: Path) -> None:
    """Files state what the scaling comes to, one factor per pair."""
    directory = Oracle(VARIANTS["llama-rope-llama3"], tmp_path / "llama3").directory
    config = json.loads((directory / "config.json").read_text())
    rope = read_spec(directory).rope
    assert isinstance(rope.scaling, Llama3Scaling)
    plain, scaled = replace(rope, scaling=None).inverse_frequencies(1), rope.inverse_frequencies(1)
    factors = torch.tensor([slow / fast for slow, fast in zip(plain, scaled, strict=True)])
    tensors = gguf_tensors(config, load_file(directory / "model.safetensors")) | {
        "rope_freqs.weight": factors
    }
    written = {name: stored(each, "F32") for name, each in tensors.items()}
    file = write(
        tmp_path / "model.gguf", written, {name: value(each) for name, each in sizes(config).items()}
    )
    found = read_spec(file).rope.inverse_frequencies(1)
    assert found == pytest.approx(scaled, rel=1e-6)
    torch.testing.assert_close(logits(file), logits(directory), rtol=1e-4, atol=1e-4)
    other = written | {"rope_freqs.weight": stored(factors[1:], "F32")}
    write(file, other, {name: value(each) for name, each in sizes(config).items()})
    with pytest.raises(ConfigurationError, match=r"model.gguf: rope has factors for 3 pairs"):
        read_spec(file)


def packed_layers(file: Path, kind: str) -> list[Linear]:
    """What the backend `cpu` gets for one layer and the head."""
    spec, source = read_spec(file), PackedWeights(weights(file), kind)
    inner, shared = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
    names = [f"model.layers.1.self_attn.{part}_proj" for part in "qkv"]
    return [
        source.linear(names, [inner, shared, shared], spec.hidden_size),
        source.tied("model.embed_tokens.weight", (spec.vocab_size, spec.hidden_size))[1],
    ]


@pytest.mark.parametrize(("format", "packed"), [("Q8_0", PackedFormat.INT8), ("Q4_0", PackedFormat.INT4)])
def test_integers_are_packed_as_they_are_stored(
    directories: dict[str, Path], format: str, packed: PackedFormat, tmp_path: Path
) -> None:
    file = write_model(directories["blocks-qwen3"], tmp_path / "model.gguf", format)
    stored_as = GgufFile(file)
    parts = [stored_as.blocks(f"blk.1.attn_{part}.weight") for part in "qkv"]
    embedding = stored_as.blocks("token_embd.weight")
    assert embedding is not None
    wanted = [pack_blocks([part for part in parts if part is not None]), pack_blocks([embedding])]
    for ours, theirs in zip(packed_layers(file, "none"), wanted, strict=True):
        assert isinstance(ours, PackedLinear)
        assert (ours.format, ours.group_inputs) == (packed, 32)
        assert torch.equal(ours.blocks, theirs.blocks)


def test_parts_of_one_layer_in_two_formats_become_the_wider_one(
    directories: dict[str, Path], tmp_path: Path
) -> None:
    file = write_model(
        directories["blocks-llama"], tmp_path / "model.gguf", "Q4_0", formats={"blk.1.attn_v.weight": "Q8_0"}
    )
    (joined, _) = packed_layers(file, "none")
    assert isinstance(joined, PackedLinear)
    assert joined.format is PackedFormat.INT8
    held = [GgufTensors(file).read(f"model.layers.1.self_attn.{part}_proj.weight") for part in "qkv"]
    alone = write_model(
        directories["blocks-llama"], tmp_path / "other.gguf", "Q8_0", formats={"blk.1.attn_v.weight": "F32"}
    )
    (floats, _) = packed_layers(alone, "none")
    assert isinstance(floats, PackedLinear)
    assert floats.format is PackedFormat.FLOAT32
    assert torch.cat(held).shape == floats.weight_OI.shape


@pytest.mark.parametrize("kind", QUANTIZATIONS[1:])
def test_another_quantization_is_made_of_what_is_stored(
    directories: dict[str, Path], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = write_model(directories["blocks-llama"], tmp_path / "model.gguf", "Q8_0")
    (joined, _) = packed_layers(file, kind)
    assert isinstance(joined, PackedLinear)
    assert joined.format.name.startswith(kind[:4].upper())
    spec = read_spec(file)
    for _ in range(2):
        source = open_packed(file, torch.float32, kind, lambda each: build_model(spec, each, TorchOps(1), 1))
        build_model(spec, source, TorchOps(1), 1)
    (entry,) = (tmp_path / "cache/weft/packed").glob("*.weft")
    assert entry.name.startswith("model.gguf-")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"general.architecture": "gemma"}, r'general.architecture is "gemma".*one of llama, qwen2'),
        ({"qwen3.block_count": 0}, r"qwen3.block_count is 0"),
        ({"qwen3.embedding_length": "many"}, r'qwen3.embedding_length is "many"'),
        ({"qwen3.attention.value_length": 8}, r"qwen3.attention.value_length is 8; .*size of a head \(16\)"),
        ({"qwen3.rope.dimension_count": 8}, r"qwen3.rope.dimension_count is 8"),
        ({"qwen3.attention.sliding_window": 9}, r"qwen3.attention.sliding_window is 9"),
        ({"qwen3.rope.scaling.type": "longrope", "qwen3.rope.scaling.factor": 2.0}, r"'linear', 'yarn'"),
        ({"qwen3.final_logit_softcapping": 30.0}, r"qwen3.final_logit_softcapping is 30"),
        ({"qwen3.expert_count": 4}, r"qwen3.expert_count is 4"),
        ({"split.count": 3}, r"one of 3 parts of a model; .*--merge"),
        ({"qwen3.block_count": 2}, r"holds 11 tensors that the model does not use: 'model.layers.2"),
        ({"qwen3.block_count": 4}, r"holds no tensor 'model.layers.3"),
        ({"qwen3.feed_forward_length": 64}, r"'model.layers.0.mlp.gate_proj.weight' has shape"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(
    directories: dict[str, Path], changes: dict[str, object], problem: str, tmp_path: Path
) -> None:
    file = write_model(directories[QWEN3], tmp_path / "model.gguf", "F32", changes)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        inspect_checkpoint(file)
    assert str(caught.value).startswith(str(file))


def test_what_would_change_nothing_is_let_pass(directories: dict[str, Path], tmp_path: Path) -> None:
    harmless = {"qwen3.attention.sliding_window": 4096, "qwen3.logit_scale": 1.0, "qwen3.expert_count": 0}
    file = write_model(directories[QWEN3], tmp_path / "model.gguf", "F32", harmless)
    assert read_spec(file) == read_spec(directories[QWEN3])


def test_a_format_that_is_not_read_is_named(directories: dict[str, Path], tmp_path: Path) -> None:
    config: dict[str, Any] = json.loads((directories["blocks-qwen3"] / "config.json").read_text())
    tensors = gguf_tensors(config, load_file(directories["blocks-qwen3"] / "model.safetensors"))
    written = {name: stored(each, "F32") for name, each in tensors.items()}
    written["blk.0.ffn_up.weight"] = written["blk.0.ffn_up.weight"]._replace(type_number=12)
    file = write(tmp_path / "q.gguf", written, {name: value(each) for name, each in sizes(config).items()})
    with pytest.raises(ConfigurationError, match=r"'blk.0.ffn_up.weight' is stored as Q4_K.*F32, F16, Q4_0"):
        inspect_checkpoint(file)


def test_what_blocks_stand_for_is_read_slice_by_slice(directories: dict[str, Path], tmp_path: Path) -> None:
    file = write_model(directories["blocks-llama"], tmp_path / "model.gguf", "Q8_0")
    stored_as = GgufFile(file)
    whole = floats_of_blocks(stored_as.rows("blk.0.ffn_up.weight"), 8)
    out = torch.empty(whole.shape, dtype=torch.float32)
    GgufTensors(file).read_into("model.layers.0.mlp.up_proj.weight", out)
    assert torch.equal(out, whole)


def test_options_of_serving_are_those_of_any_model(directories: dict[str, Path], tmp_path: Path) -> None:
    options = ServingOptions(backend="cpu", max_model_len=64, max_num_seqs=2)
    plans = {
        format: plan_serving(
            write_model(directories["blocks-tied"], tmp_path / f"{format}.gguf", format), options
        )
        for format in ("BF16", "Q8_0", "Q4_0")
    }
    sizes_by_format = [plans[format].weights_bytes for format in ("BF16", "Q8_0", "Q4_0")]
    assert sizes_by_format == sorted(sizes_by_format, reverse=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_damaged_models_are_refused_or_read(
    directories: dict[str, Path], tmp_path: Path, data: st.DataObject
) -> None:
    """Whatever changes in the header: a model, or an error that names the file."""
    content = bytearray(write_model(directories["qwen3-moe"], tmp_path / "model.gguf", "BF16").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 6000))] = data.draw(st.integers(0, 255))
    (tmp_path / "model.gguf").write_bytes(content[: data.draw(st.integers(1000, len(content)))])
    try:
        inspect_checkpoint(tmp_path / "model.gguf")
    except ConfigurationError as error:
        if "model.gguf" not in str(error):
            raise
