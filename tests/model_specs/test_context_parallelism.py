"""Tokens and kept state spread over ranks: what each computes, and what they tell each other."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.planned_models import HALF, MODELS, PLAIN
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NarrowFormat
from weft.contracts.state import PagedGroup
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import (
    Axis,
    Communication,
    Formats,
    ForwardWork,
    Operation,
    OperationKind,
    Span,
)
from weft.model_specs.plan import ONE_DEVICE, Plan
from weft.model_specs.shard import Shard

ONE_LAYER = replace(PLAIN, layer_windows=(None,))


def operations(
    plan: Plan, spans: list[Span], spec: ModelSpec = ONE_LAYER, formats: Formats = HALF
) -> list[Operation]:
    return list(spec.operations(ForwardWork(tuple(spans), 0), *formats, plan))


def exchanged(listed: list[Operation]) -> list[tuple[str, Communication]]:
    return [(each.name, each.communication) for each in listed if each.communication is not None]


def test_longer_spans_are_shown_all_keys_and_values() -> None:
    """Of heads 0 to 1 of 32 numbers, keys and values of 2 bytes; 40 and 9 positions are seen."""
    spans = [Span(32, 8), Span(0, 9)]
    assert exchanged(operations(Plan(cp=4), spans)) == [
        ("state_all_gather", Communication(Axis.CONTEXT, 4, (40 + 9) * 2 * 2 * 32 * 2))
    ]
    narrow = operations(Plan(cp=4), spans, formats=HALF._replace(state=NarrowFormat.INT8))
    assert exchanged(narrow)[0][1].num_bytes == (40 + 9) * 2 * 2 * 32


def test_single_units_travel_to_all_ranks_and_back() -> None:
    """3 units: a query of 8 heads of 32 numbers, a key and a value of 2 heads; back, outputs and weights of heads."""
    listed = operations(Plan(cp=2), [Span(99, 1)] * 3)
    query, output = 8 * 32 + 2 * 2 * 32, 8 * 32 + 8
    assert exchanged(listed) == [
        ("query_all_gather", Communication(Axis.CONTEXT, 2, 3 * query * 2)),
        ("partial_output_exchange", Communication(Axis.CONTEXT, 2, 3 * output * 2)),
    ]
    (attention,) = {each for each in listed if each.kind is OperationKind.ATTENTION}
    # half of 100 positions with every query; half of the units are kept here
    assert attention.flops == 4 * 100 * 8 * 32 // 2
    assert attention.read_bytes == 2 * (8 * 32 + 64) + 2 * 100 * 64
    assert attention.written_bytes == 2 * (output + 64)
    (merge,) = [each for each in listed if each.name == "partial_output_merge"]
    assert (merge.read_bytes, merge.written_bytes) == (2 * 3 * output, 2 * 3 * 8 * 32 // 2)


def test_no_rank_tells_what_nobody_needs() -> None:
    names = [name for name, _ in exchanged(operations(Plan(cp=2), [Span(0, 5)]))]
    assert names == ["state_all_gather"]
    assert exchanged(operations(ONE_DEVICE, [Span(0, 5), Span(7, 1)])) == []


@given(
    name=st.sampled_from([name for name in MODELS if "mixture" not in name and name != "latent"]),
    cp=st.sampled_from((2, 4, 8)),
    chunks=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 5)), min_size=1, max_size=4),
    num_decodes=st.integers(0, 3),
)
def test_ranks_together_compute_what_one_device_computes(
    name: str, cp: int, chunks: list[tuple[int, int]], num_decodes: int
) -> None:
    """Where the tokens can be shared equally, nothing is computed twice."""
    spans = [Span(start, 8 * units) for start, units in chunks] + [Span(50, 1)] * (8 * num_decodes)
    spec = MODELS[name]
    alone, shared = (
        sum(each.flops for each in operations(plan, spans, spec)) for plan in (Plan(), Plan(cp=cp))
    )
    assert cp * shared == alone


def test_the_rank_with_the_most_tokens_decides() -> None:
    (product,) = [each for each in operations(Plan(cp=4), [Span(0, 9)]) if each.name == "down_product"]
    assert dict(product.shape)["rows"] == 3


def test_experts_may_be_spread_over_the_ranks() -> None:
    """Rows of all 4 ranks, 2 tokens with 4 experts each, come to the 4 of 16 experts that a device has."""
    listed = operations(Plan(cp=4, ep=4), [Span(0, 8)], replace(MODELS["mixture"], layer_windows=(None,)))
    sent = [name for name, each in exchanged(listed) if each.axis is Axis.EXPERT]
    assert sent == ["expert_dispatch", "expert_combine"]
    (down,) = [each for each in listed if each.name == "expert_down_product"]
    assert dict(down.shape)["rows"] == 8


def test_a_block_lies_on_all_ranks() -> None:
    found = [Shard(ONE_LAYER, Plan(cp=cp)).state_layout(0, HALF.state).groups for cp in (1, 4)]
    assert found == [(PagedGroup("attention", 256),), (PagedGroup("attention", 64),)]


@pytest.mark.parametrize(
    ("name", "cp", "message"),
    [
        ("plain", 3, r"cp is 3; it must divide the head_dim \(32\)"),
        ("latent", 32, r"cp is 32; it must divide the rotary_dim of latent attention \(16\)"),
    ],
)
def test_shares_that_are_not_whole_are_refused(name: str, cp: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Shard(MODELS[name], Plan(cp=cp))


def test_a_block_that_cannot_be_spread_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"cp is 8; it must divide block_tokens \(4\)"):
        Shard(PLAIN, Plan(cp=8)).state_layout(0, HALF.state, 4)
