"""The operations that a spec lists are those that the torch model carries out: all, no others, of the same sizes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.model_specs.configs import PUBLISHED, TINY, Config, tiny_configs
from tests.models.traced_steps import differences, trace
from weft.contracts.formats import NumberFormat
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import ForwardWork, Operation, Span
from weft.models.decoder import Attention
from weft.models.llama import Llama

HALF, FULL = NumberFormat.BFLOAT16, NumberFormat.FLOAT32

MIXED = ForwardWork((Span(0, 21), Span(40, 1), Span(5, 9), Span(11, 1), Span(16, 16)), 3)

spans = st.builds(Span, st.integers(0, 40), st.sampled_from((1, 1, 2, 7, 30)))
formats = st.sampled_from(NumberFormat)


@st.composite
def works(draw: st.DrawFn) -> ForwardWork:
    """Several spans; logits of none, some or all of their units."""
    some = tuple(draw(st.lists(spans, min_size=1, max_size=4)))
    return ForwardWork(some, draw(st.integers(0, sum(span.num_units for span in some))))


# Shrinking a failure takes minutes, and `differences` says what differs.
@settings(max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(config=tiny_configs(), work=works(), state_format=formats, compute_format=formats)
def test_random_models_compute_what_their_specs_list(
    config: Config, work: ForwardWork, state_format: NumberFormat, compute_format: NumberFormat
) -> None:
    spec = spec_from_config(config, "c")
    assert differences(spec, spec, work, state_format, compute_format) == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_compute_what_their_specs_list(name: str) -> None:
    """Three layers of each; the others are like them."""
    whole = spec_from_config(PUBLISHED[name], name)
    spec = replace(whole, layer_windows=whole.layer_windows[:3])
    work = ForwardWork((Span(0, 512), Span(4095, 1), Span(9000, 1), Span(4090, 20)), 5)
    assert differences(spec, spec, work, HALF, HALF) == []


def grown(field: str, by: int) -> Callable[[ModelSpec], ModelSpec]:
    return lambda spec: changed(spec, {field: getattr(spec, field) + by})


def turned(field: str) -> Callable[[ModelSpec], ModelSpec]:
    return lambda spec: changed(spec, {field: not getattr(spec, field)})


def changed(spec: ModelSpec, values: dict[str, Any]) -> ModelSpec:
    return replace(spec, **values)


WRONG: dict[str, tuple[Callable[[ModelSpec], ModelSpec], str]] = {
    "vocabulary": (grown("vocab_size", 1), "embedding"),
    "hidden size": (grown("hidden_size", 2), "embedding"),
    "feed-forward": (grown("intermediate_size", 2), "gate_up_product"),
    "query heads": (grown("num_heads", 2), "qkv_product"),
    "heads of keys": (grown("num_kv_heads", 2), "qkv_product"),
    "head size": (
        lambda spec: replace(spec, head_dim=6, rope=replace(spec.rope, num_dimensions=6)),
        "qkv_product",
    ),
    "one window": (lambda spec: replace(spec, layer_windows=(None, 12)), "attention"),
    "one layer": (lambda spec: replace(spec, layer_windows=(None,) * 3), "final_norm"),
    "bias of queries": (turned("qkv_bias"), "qkv_product"),
    "bias of outputs": (turned("output_bias"), "output_product"),
    "bias of the feed-forward": (turned("mlp_bias"), "gate_up_product"),
    "head norms": (turned("has_head_norms"), "rotary"),
}
"""Changes to a spec, each with the first operation in which the model must then be seen to differ."""


@pytest.mark.parametrize("name", WRONG)
def test_a_spec_with_one_wrong_number_is_found(name: str) -> None:
    model = spec_from_config(TINY, "c")
    change, first = WRONG[name]
    found = differences(model, change(model), MIXED)
    assert found[0].startswith(f"computed Operation(name='{first}'")


@pytest.mark.parametrize(
    ("work", "first"),
    [
        (replace(MIXED, num_outputs=4), "logits_product"),
        (replace(MIXED, spans=(Span(0, 20), Span(40, 2), *MIXED.spans[2:])), "attention"),
    ],
    ids=["outputs", "spans"],
)
def test_other_work_is_found(work: ForwardWork, first: str) -> None:
    spec = spec_from_config(TINY, "c")
    traced = trace(spec, MIXED, HALF, FULL)
    listed = list(spec.operations(work, FULL, HALF, FULL))
    assert first_difference(traced.operations, listed) == first


def first_difference(traced: list[Operation], listed: list[Operation]) -> str | None:
    pairs = zip(traced, listed, strict=True)
    return next((ours.name for ours, theirs in pairs if ours != theirs), None)


class DoublingAttention(Attention):
    """Computes something that no operation stands for."""

    def normalise(self, q_THE: Tensor, k_TGE: Tensor) -> tuple[Tensor, Tensor]:
        return q_THE * 2, k_TGE


def test_what_a_model_computes_beside_its_operations_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Llama, "attention", DoublingAttention)
    spec = spec_from_config(TINY, "c")
    (found,) = differences(spec, spec, MIXED)
    assert found == "outside: ['index_select', 'index_select', 'mul', 'mul']"
