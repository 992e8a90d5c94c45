"""Flops and bytes of forward passes: by hand for a tiny model, and laws that hold for every model."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_specs.configs import TINY, Config, tiny_configs
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import ForwardWork, Operation, OperationKind, Span

HALF, FULL = NumberFormat.BFLOAT16, NumberFormat.FLOAT32
SPEC = spec_from_config(TINY, "config.json")

spans = st.builds(Span, st.integers(0, 60), st.integers(1, 60))
works = st.lists(spans, min_size=1, max_size=4).map(lambda some: ForwardWork(tuple(some), len(some)))


def operations(spec: ModelSpec, work: ForwardWork) -> list[Operation]:
    return list(spec.operations(work, HALF, HALF, FULL))


def total(listed: list[Operation], figure: str, kind: OperationKind | None = None) -> int:
    return sum(getattr(entry, figure) for entry in listed if kind in (None, entry.kind))


def test_a_tiny_pass_by_hand() -> None:
    """One layer: hidden 8, 4 query and 2 key heads of 4, inner 12, vocabulary 10; 3 tokens after 2, 1 output.

    Weights and state have 2 bytes a number, activations 4.
    """
    spec = replace(SPEC, layer_windows=(4,), qkv_bias=True, has_head_norms=True)
    listed = operations(spec, ForwardWork((Span(2, 3),), 1))
    figures = [
        (entry.name, entry.flops, entry.weight_bytes, entry.read_bytes, entry.written_bytes)
        for entry in listed
    ]
    assert figures == [
        ("embedding", 0, 3 * 8 * 2, 0, 3 * 8 * 4),
        ("attention_norm", 0, 8 * 2, 3 * 8 * 4, 3 * 8 * 4),
        ("qkv_product", 2 * 3 * 32 * 8, (8 * 32 + 32) * 2, 3 * 8 * 4, 3 * 32 * 4),
        ("query_norm", 0, 4 * 2, 3 * 16 * 4, 3 * 16 * 4),
        ("key_norm", 0, 4 * 2, 3 * 8 * 4, 3 * 8 * 4),
        # 16 + 8 numbers of query and key, 4 cosines and 4 sines per token
        ("rotary", 0, 0, 3 * (24 + 8) * 4, 3 * 24 * 4),
        # tokens 2, 3 and 4 see 3, 4 and 4 positions; together the 5 positions from 0 on
        ("attention", 4 * 11 * 16, 0, 3 * 32 * 4 + 5 * 16 * 2, 3 * 16 * 4 + 3 * 16 * 2),
        ("output_product", 2 * 3 * 8 * 16, 8 * 16 * 2, 3 * 16 * 4, 3 * 8 * 4),
        ("attention_residual_add", 0, 0, 2 * 3 * 8 * 4, 3 * 8 * 4),
        ("feed_forward_norm", 0, 8 * 2, 3 * 8 * 4, 3 * 8 * 4),
        ("gate_up_product", 2 * 3 * 24 * 8, 24 * 8 * 2, 3 * 8 * 4, 3 * 24 * 4),
        ("silu_multiply", 0, 0, 3 * 24 * 4, 3 * 12 * 4),
        ("down_product", 2 * 3 * 8 * 12, 8 * 12 * 2, 3 * 12 * 4, 3 * 8 * 4),
        ("feed_forward_residual_add", 0, 0, 2 * 3 * 8 * 4, 3 * 8 * 4),
        ("final_norm", 0, 8 * 2, 3 * 8 * 4, 3 * 8 * 4),
        ("logits_product", 2 * 10 * 8, 10 * 8 * 2, 8 * 4, 10 * 4),
    ]
    assert [entry.layer for entry in listed] == [None, *[0] * 13, None, None]
    attention = listed[6]
    assert dict(attention.formats) == {"input": FULL, "state": HALF, "output": FULL}
    assert dict(attention.shape) == {
        "tokens": 3,
        "visible": 5,
        "pairs": 11,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 4,
    }
    assert dict(listed[2].shape) == {"rows": 3, "outputs": 32, "inputs": 8}
    assert dict(listed[2].formats) == {"weight": HALF, "input": FULL, "output": FULL}


def test_a_pass_without_outputs_has_no_logits() -> None:
    names = [entry.name for entry in operations(SPEC, ForwardWork((Span(0, 4),), 0))]
    assert names[-1] == "final_norm"


def test_no_work_is_no_operation() -> None:
    assert operations(SPEC, ForwardWork((), 0)) == []


@given(config=tiny_configs(), work=works)
def test_products_take_two_flops_per_parameter_and_token(config: Config, work: ForwardWork) -> None:
    spec = replace(spec_from_config(config, "c"), qkv_bias=False, output_bias=False, mlp_bias=False)
    norms = 2 * spec.hidden_size + spec.has_head_norms * 2 * spec.head_dim
    linear_parameters = sum(spec.layer_parameters(layer) - norms for layer in range(spec.num_layers))
    listed = operations(spec, work)
    in_layers = [entry for entry in listed if entry.layer is not None]
    assert total(in_layers, "flops", OperationKind.MATMUL) == 2 * linear_parameters * work.num_units
    logits = [entry for entry in listed if entry.name == "logits_product"]
    assert total(logits, "flops") == 2 * spec.vocab_size * spec.hidden_size * work.num_outputs


@given(config=tiny_configs(), work=works)
def test_every_weight_is_read_once(config: Config, work: ForwardWork) -> None:
    """But for the embedding table, of which a row is read per token."""
    spec = spec_from_config(config, "c")
    listed = operations(spec, work)
    table = spec.vocab_size * spec.hidden_size
    rows = work.num_units * spec.hidden_size
    others = spec.num_parameters - (0 if spec.ties_embeddings else table)
    assert total(listed, "weight_bytes") == (others + rows) * HALF.num_bytes


@given(config=tiny_configs(), first=works, second=works)
def test_work_adds_up_over_spans(config: Config, first: ForwardWork, second: ForwardWork) -> None:
    spec = spec_from_config(config, "c")
    both = ForwardWork(first.spans + second.spans, first.num_outputs + second.num_outputs)
    for figure in ("flops", "read_bytes", "written_bytes"):
        apart = total(operations(spec, first), figure) + total(operations(spec, second), figure)
        assert total(operations(spec, both), figure) == apart


@given(config=tiny_configs(), chunks=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_chunks_of_a_prompt_take_the_flops_of_the_whole(config: Config, chunks: list[int]) -> None:
    spec = spec_from_config(config, "c")
    starts = [sum(chunks[:index]) for index in range(len(chunks))]
    parts = [ForwardWork((Span(*span),), 0) for span in zip(starts, chunks, strict=True)]
    whole = operations(spec, ForwardWork((Span(0, sum(chunks)),), 0))
    listed = [entry for part in parts for entry in operations(spec, part)]
    for kind in OperationKind:
        assert total(listed, "flops", kind) == total(whole, "flops", kind)
        assert total(listed, "written_bytes", kind) == total(whole, "written_bytes", kind)
    assert total(listed, "read_bytes") >= total(whole, "read_bytes")


@given(span=spans, window=st.none() | st.integers(1, 70))
def test_pairs_and_visible_positions_are_counted_one_by_one(span: Span, window: int | None) -> None:
    tokens = range(span.start, span.start + span.num_units)
    seen = [range(0 if window is None else max(0, token - window + 1), token + 1) for token in tokens]
    assert span.num_pairs(window) == sum(map(len, seen))
    assert span.num_visible(window) == len(Counter(position for some in seen for position in some))


@pytest.mark.parametrize("span", [Span(-1, 1), Span(0, 0), Span(3, -2)])
def test_an_impossible_span_is_refused(span: Span) -> None:
    with pytest.raises(ConfigurationError, match="it must start at 0 or later and have at least 1 unit"):
        ForwardWork((span,), 0)


@pytest.mark.parametrize("num_outputs", [-1, 5])
def test_impossible_outputs_are_refused(num_outputs: int) -> None:
    with pytest.raises(ConfigurationError, match=f"num_outputs is {num_outputs}; it must be between 0 and"):
        ForwardWork((Span(0, 3), Span(9, 1)), num_outputs)
