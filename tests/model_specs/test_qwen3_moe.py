"""Mixtures of experts as data: reading, refusing, parameters, and how many experts a step touches."""

import json
from itertools import combinations, product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, Qwen3MoeConfig

from tests.model_specs.configs import Config
from tests.model_specs.expert_configs import QWEN_3_30B_A3B, TINY_EXPERTS, expert_configs
from tests.model_specs.test_config_fuzz import check, values
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.families import family_of, spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import ForwardWork, Operation, OperationKind, Span

HALF, FULL = NumberFormat.BFLOAT16, NumberFormat.FLOAT32
KEYS = (
    *("num_experts", "num_local_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"),
    *("decoder_sparse_step", "mlp_only_layers"),
    *("max_window_layers", "use_sliding_window", "sliding_window"),
)

counts = st.tuples(st.integers(1, 4), st.integers(1, 4)).filter(lambda pair: pair[1] <= pair[0])
works = st.integers(1, 40).map(lambda num_units: ForwardWork((Span(3, num_units), Span(50, 1)), 1))


def read(config: Config, **changes: Any) -> ModelSpec:
    return spec_from_config(config | changes, "config.json")


def theirs(config: Config) -> Any:
    return Qwen3MoeConfig(**json.loads(json.dumps(config)))


def operations(spec: ModelSpec, work: ForwardWork) -> list[Operation]:
    return list(spec.operations(work, HALF, HALF, FULL))


def test_the_published_model() -> None:
    spec = read(QWEN_3_30B_A3B)
    assert spec.experts == ExpertsSpec(128, 8, 768, sums_to_one=True)
    assert spec.expert_layers == tuple(range(48))
    assert (spec.has_head_norms, spec.head_dim, spec.layer_windows[0]) == (True, 128, None)
    assert spec.num_parameters == 30_532_122_624
    assert spec.num_active_parameters == 3_353_032_704
    assert family_of(spec.architecture).model == "weft.models.qwen3_moe:Qwen3Moe"


def test_which_layers_have_experts() -> None:
    config = TINY_EXPERTS | {"num_hidden_layers": 7}
    assert read(config, decoder_sparse_step=2).expert_layers == (1, 3, 5)
    assert read(config, decoder_sparse_step=2, mlp_only_layers=[3, 4]).expert_layers == (1, 5)
    assert read(config, mlp_only_layers=list(range(7))).expert_layers == ()


def test_the_number_of_experts_in_either_spelling() -> None:
    saved = {key: value for key, value in TINY_EXPERTS.items() if key != "num_experts"}
    assert read(saved, num_local_experts=5) == read(TINY_EXPERTS)
    assert read(TINY_EXPERTS, num_local_experts=5) == read(TINY_EXPERTS)


def test_a_window_is_that_of_every_layer() -> None:
    assert read(TINY_EXPERTS, use_sliding_window=True, sliding_window=9).layer_windows == (9, 9)
    assert read(TINY_EXPERTS, sliding_window=9, max_window_layers=1).layer_windows == (None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_experts": 0}, "num_experts is 0; it must be a whole number between 1 and"),
        (
            {"num_local_experts": 4},
            r"num_local_experts is 4; it must be absent, or equal to num_experts \(5\)",
        ),
        (
            {"num_experts_per_tok": 6},
            r"num_experts_per_tok is 6; it must be at most the number of experts \(5\)",
        ),
        ({"moe_intermediate_size": 1.5}, "moe_intermediate_size is 1.5; it must be a whole number"),
        ({"norm_topk_prob": 1}, "norm_topk_prob is 1; it must be true or false"),
        ({"decoder_sparse_step": 0}, "decoder_sparse_step is 0; it must be a whole number between 1 and"),
        ({"mlp_only_layers": 1}, "mlp_only_layers is 1; it must be a list of whole numbers between 0 and"),
        ({"mlp_only_layers": [0, -1]}, r"mlp_only_layers is \[0, -1\]; it must be a list of whole numbers"),
        (
            {"use_sliding_window": True, "max_window_layers": 1},
            "max_window_layers is 1; it must be absent or 0 where use_sliding_window is true",
        ),
    ],
)
def test_a_bad_config_gets_one_line(changes: Config, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^config.json: {message}"):
        read(TINY_EXPERTS, **changes)


@given(config=expert_configs(), changed=st.dictionaries(st.sampled_from(KEYS), values, max_size=3))
def test_random_values_give_a_spec_or_one_line(config: Config, changed: Config) -> None:
    check(config | changed)


@given(config=expert_configs())
def test_layers_windows_and_parameters_are_those_of_transformers(config: Config) -> None:
    with torch.device("meta"):
        make: Any = AutoModelForCausalLM.from_config
        model = make(theirs(config))
    model.tie_weights()
    spec, mixed = read(config), [hasattr(layer.mlp, "experts") for layer in model.model.layers]
    assert spec.num_parameters == model.num_parameters()
    assert spec.expert_layers == tuple(layer for layer, has_experts in enumerate(mixed) if has_experts)
    assert spec.layer_windows == (theirs(config).sliding_window,) * spec.num_layers


@given(config=expert_configs())
def test_what_transformers_saves_reads_the_same(config: Config) -> None:
    saved = json.loads(theirs(config).to_json_string())
    assert "num_local_experts" in saved
    assert read(saved) == read(config)


def test_defaults_are_those_of_transformers() -> None:
    parsed = theirs({})
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    spec = read({"architectures": ["Qwen3MoeForCausalLM"]} | {key: getattr(parsed, key) for key in sizes})
    assert spec == read(json.loads(parsed.to_json_string()), architectures=["Qwen3MoeForCausalLM"])


@given(count=counts, num_tokens=st.integers(0, 3))
def test_the_expected_number_of_distinct_experts_is_the_mean_over_all_choices(
    count: tuple[int, int], num_tokens: int
) -> None:
    """Each way in which so many tokens can choose is equally likely."""
    num_experts, num_chosen = count
    choices = list(product(combinations(range(num_experts), num_chosen), repeat=num_tokens))
    mean = sum(len({expert for chosen in choice for expert in chosen}) for choice in choices) / len(choices)
    spec = ExpertsSpec(num_experts, num_chosen, 8, sums_to_one=True)
    assert spec.expected_distinct(num_tokens) == pytest.approx(mean)


def test_experts_of_a_tiny_pass_by_hand() -> None:
    """Hidden 8, 5 experts of inner 6, of which 2 per token; 3 tokens that touch 4. Activations have 4 bytes."""
    spec = read(TINY_EXPERTS, num_hidden_layers=1)
    listed = operations(spec, ForwardWork((Span(2, 3),), 1, distinct_experts=(4,)))
    names = [entry.name for entry in listed]
    first = names.index("router_product")
    figures = [
        (entry.name, entry.flops, entry.weight_bytes, entry.read_bytes, entry.written_bytes)
        for entry in listed[first : first + 6]
    ]
    assert figures == [
        ("router_product", 2 * 3 * 5 * 8, 5 * 8 * 2, 3 * 8 * 4, 3 * 5 * 4),
        ("expert_choice", 0, 0, 3 * 5 * 4, 3 * 2 * 4),
        ("expert_gate_up_product", 2 * 6 * 12 * 8, 4 * 12 * 8 * 2, 3 * 8 * 4, 6 * 12 * 4),
        ("expert_silu_multiply", 0, 0, 2 * 6 * 6 * 4, 6 * 6 * 4),
        ("expert_down_product", 2 * 6 * 8 * 6, 4 * 8 * 6 * 2, 6 * 6 * 4, 6 * 8 * 4),
        ("expert_sum", 0, 0, (6 * 8 + 6) * 4, 3 * 8 * 4),
    ]
    assert names[first - 1 : first + 7 : 7] == ["feed_forward_norm", "feed_forward_residual_add"]
    assert dict(listed[first + 2].shape) == {"rows": 6, "experts": 4, "outputs": 12, "inputs": 8}
    assert listed[first + 2].kind is OperationKind.GROUPED_MATMUL


@given(config=expert_configs(), work=works)
def test_products_take_two_flops_per_active_parameter_and_token(config: Config, work: ForwardWork) -> None:
    spec = read(config, attention_bias=False)
    norms = 2 * spec.hidden_size + 2 * spec.head_dim
    active = sum(spec.active_layer_parameters(layer) - norms for layer in range(spec.num_layers))
    kinds = (OperationKind.MATMUL, OperationKind.GROUPED_MATMUL)
    in_layers = [entry for entry in operations(spec, work) if entry.layer is not None and entry.kind in kinds]
    assert sum(entry.flops for entry in in_layers) == 2 * active * work.num_units


@given(config=expert_configs(), work=works)
def test_where_all_experts_are_touched_every_weight_is_read_once(config: Config, work: ForwardWork) -> None:
    config["num_experts_per_tok"] = config["num_experts"]
    spec = read(config)
    assert spec.num_active_parameters == spec.num_parameters
    rows, table = work.num_units * spec.hidden_size, spec.vocab_size * spec.hidden_size
    others = spec.num_parameters - (0 if spec.ties_embeddings else table)
    assert sum(entry.weight_bytes for entry in operations(spec, work)) == (others + rows) * HALF.num_bytes


def test_an_unknown_number_of_distinct_experts_is_the_expectation() -> None:
    """128 (1 - (1 - 8 / 128)^16) is 82.4: a batch of 16 reads two thirds of the experts."""
    spec = read(QWEN_3_30B_A3B)
    step = ForwardWork(tuple(Span(100, 1) for _ in range(16)), 16)
    grouped = [entry for entry in operations(spec, step) if entry.kind is OperationKind.GROUPED_MATMUL]
    assert {dict(entry.shape)["experts"] for entry in grouped} == {82}
    assert len(grouped) == 2 * 48


@pytest.mark.parametrize(
    ("distinct", "message"),
    [
        ((3,), "distinct_experts has 1 numbers; give one for each of the 2 layers with experts"),
        ((3, 1), "distinct_experts has 1; 2 units touch 2 to 4 of a layer's experts"),
        ((5, 2), "distinct_experts has 5; 2 units touch 2 to 4 of a layer's experts"),
    ],
)
def test_impossible_numbers_of_distinct_experts_are_refused(distinct: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        operations(read(TINY_EXPERTS), ForwardWork((Span(0, 2),), 1, distinct_experts=distinct))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 1, 1), "num_experts is 0; it must be at least 1"),
        ((4, 5, 1), r"num_chosen is 5; it must be at most num_experts \(4\)"),
        ((4, 2, 0), "inner_size is 0; it must be at least 1"),
    ],
)
def test_impossible_experts_are_refused(numbers: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ExpertsSpec(*numbers, sums_to_one=False)
