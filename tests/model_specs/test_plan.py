"""Placements: which layers, which sizes, and what devices tell each other."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_specs.configs import TINY
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.state import PagedGroup
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Axis, Communication, ForwardWork, Operation, OperationKind, Span
from weft.model_specs.plan import ONE_DEVICE, Plan
from weft.model_specs.shard import Shard

HALF = NumberFormat.BFLOAT16
SPEC = replace(spec_from_config(TINY, "config.json"), layer_windows=(None,) * 4)
MIXTURE = replace(SPEC, experts=ExpertsSpec(8, 2, 6, sums_to_one=True, shared_inner_size=4))
WORK = ForwardWork((Span(2, 3), Span(9, 1)), 2)


def operations(plan: Plan, spec: ModelSpec = SPEC, work: ForwardWork = WORK) -> list[Operation]:
    return list(spec.operations(work, HALF, HALF, HALF, plan=plan))


def figure(listed: list[Operation], name: str, of: str) -> int:
    (found,) = {getattr(each, of) for each in listed if each.name == name}
    return int(found)


@given(st.integers(1, 40), st.integers(1, 40))
def test_stages_have_all_layers_once_and_equally_many(num_layers: int, pp: int) -> None:
    if pp > num_layers:
        with pytest.raises(ConfigurationError, match=f"pp is {pp}; the model has {num_layers} layers"):
            Plan(pp=pp).stage_layers(num_layers)
        return
    stages = Plan(pp=pp).stage_layers(num_layers)
    assert [layer for stage in stages for layer in stage] == list(range(num_layers))
    assert max(map(len, stages)) - min(map(len, stages)) <= 1


def test_stages_may_be_given() -> None:
    assert Plan(pp=2, layers_per_stage=(1, 3)).stage_layers(4) == (range(1), range(1, 4))
    with pytest.raises(ConfigurationError, match=r"layers_per_stage is \(1, 3\), 4 layers; the model has 5"):
        Plan(pp=2, layers_per_stage=(1, 3)).stage_layers(5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tp": 0}, "tp is 0; it must be at least 1"),
        ({"dp": -1}, "dp is -1"),
        ({"tp": 2, "dp": 2, "ep": 2}, r"ep is 2; it must be 1 or dp \* cp \* tp \(4\)"),
        ({"pp": 2, "layers_per_stage": (4,)}, "give a number from 1 on for each of the 2 stages"),
        ({"pp": 2, "layers_per_stage": (4, 0)}, "give a number from 1 on"),
    ],
)
def test_an_impossible_plan_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Plan(**values)  # type: ignore[arg-type]  # a tuple among the numbers


@pytest.mark.parametrize(
    ("spec", "plan", "message"),
    [
        (SPEC, Plan(tp=3), "tp is 3; it must divide the 4 attention heads"),
        (
            replace(SPEC, num_heads=12, num_kv_heads=6),
            Plan(tp=4),
            "tp is 4; it must divide the 6 key-value heads",
        ),
        (
            replace(SPEC, intermediate_size=13),
            Plan(tp=2),
            r"tp is 2; it must divide the intermediate_size \(13\)",
        ),
        (MIXTURE, Plan(tp=4), r"tp is 4; it must divide the inner_size of the experts \(6\)"),
        (SPEC, Plan(dp=2, ep=2), "ep is 2, but the model has no experts; set ep to 1"),
        (MIXTURE, Plan(dp=3, ep=3), "ep is 3; it must divide the 8 experts of a layer"),
        (SPEC, Plan(pp=5), "pp is 5; the model has 4 layers"),
    ],
)
def test_a_plan_that_does_not_divide_the_model_is_refused(spec: ModelSpec, plan: Plan, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        operations(plan, spec)


def test_tensor_parallelism_cuts_products_attention_and_state() -> None:
    whole, half = operations(ONE_DEVICE), operations(Plan(tp=2))
    for name in ("qkv_product", "output_product", "gate_up_product", "down_product", "logits_product"):
        assert 2 * figure(half, name, "flops") == figure(whole, name, "flops")
        assert 2 * figure(half, name, "weight_bytes") == figure(whole, name, "weight_bytes")
    assert figure(half, "attention_norm", "read_bytes") == figure(whole, "attention_norm", "read_bytes")
    states = [Shard(SPEC, Plan(tp=tp)).state_layout(0, HALF).groups for tp in (1, 2, 4)]
    # two heads of keys: on four devices each is kept twice
    assert states == [(PagedGroup("attention", each),) for each in (128, 64, 64)]


def test_tensor_parallelism_sums_twice_per_layer_and_gathers_logits() -> None:
    sent = [each for each in operations(Plan(tp=2)) if each.communication is not None]
    names = Counter(each.name for each in sent)
    assert names == {
        "embedding_all_reduce": 1,
        "attention_all_reduce": 4,
        "feed_forward_all_reduce": 4,
        "logits_all_gather": 1,
    }
    # 4 tokens of 8 numbers; 2 rows of logits of 10
    assert sent[0].communication == Communication(Axis.TENSOR, 2, 4 * 8 * 2)
    assert sent[-1].communication == Communication(Axis.TENSOR, 2, 2 * SPEC.vocab_size * 2)


def test_stages_hand_hidden_states_on() -> None:
    listed = operations(Plan(pp=2))
    (sent,) = [each for each in listed if each.communication is not None]
    assert sent.communication == Communication(Axis.PIPELINE, 2, 4 * 8 * 2)
    assert sent.kind is OperationKind.SEND
    assert [each.stage for each in listed] == sorted(each.stage for each in listed)
    assert {(each.layer, each.stage) for each in listed if each.layer is not None} == {
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 1),
    }
    without = [replace(each, stage=0) for each in listed if each is not sent]
    assert without == operations(ONE_DEVICE)


def test_experts_are_cut_or_kept_whole() -> None:
    work = ForwardWork((Span(0, 16),), 0)
    whole, cut, kept = (
        operations(plan, MIXTURE, work) for plan in (ONE_DEVICE, Plan(tp=2), Plan(tp=2, ep=2))
    )
    for listed in (cut, kept):
        assert 2 * figure(listed, "expert_down_product", "flops") == figure(
            whole, "expert_down_product", "flops"
        )
        assert 2 * figure(listed, "shared_down_product", "flops") == figure(
            whole, "shared_down_product", "flops"
        )
        assert "expert_dispatch" not in {each.name for each in listed}
    experts = [
        dict(each[0].shape)["experts"]
        for each in (
            [one for one in listed if one.name == "expert_down_product"] for listed in (whole, cut, kept)
        )
    ]
    assert experts == [8, 8, 4]


def test_copies_send_rows_to_experts_and_back() -> None:
    listed = operations(Plan(dp=4, ep=4), MIXTURE, ForwardWork((Span(0, 16),), 0))
    sent = [each for each in listed if each.layer == 0 and each.communication is not None]
    assert [each.name for each in sent] == ["expert_dispatch", "expert_combine"]
    # 16 tokens, each to 2 experts; so many rows come back from the other copies
    assert {each.communication for each in sent} == {Communication(Axis.EXPERT, 4, 16 * 2 * 8 * 2)}
    (down,) = [each for each in listed if each.layer == 0 and each.name == "expert_down_product"]
    assert dict(down.shape) == {"rows": 32, "experts": 2, "outputs": 8, "inputs": 6}


@given(tp=st.sampled_from((1, 2)), pp=st.integers(1, 4))
def test_devices_together_compute_what_one_computes(tp: int, pp: int) -> None:
    """But for the padding of the vocabulary: what is cut is cut without loss."""
    spec = replace(MIXTURE, vocab_size=10)
    of_products = (OperationKind.MATMUL, OperationKind.GROUPED_MATMUL, OperationKind.ATTENTION)
    listed = [each for each in operations(Plan(tp=tp, pp=pp), spec) if each.kind in of_products]
    alone = [each for each in operations(ONE_DEVICE, spec) if each.kind in of_products]
    assert len(listed) == len(alone)
    for one, whole in zip(listed, alone, strict=True):
        assert one.flops * (1 if one.name == "router_product" else tp) == whole.flops
