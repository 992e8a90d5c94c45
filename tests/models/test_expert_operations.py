"""The operations that a mixture's spec lists are those that the torch model carries out."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.model_specs.configs import Config
from tests.model_specs.expert_configs import QWEN_3_30B_A3B, TINY_EXPERTS, expert_configs
from tests.models.traced_steps import differences
from weft.contracts.formats import NumberFormat
from weft.model_specs.families import spec_from_config
from weft.model_specs.operations import ForwardWork, Span

MIXED = ForwardWork((Span(0, 21), Span(40, 1), Span(5, 9)), 3)
formats = st.sampled_from(NumberFormat)


@settings(max_examples=20, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    config=expert_configs(),
    num_units=st.sampled_from((1, 2, 9)),
    state_format=formats,
    compute_format=formats,
)
def test_random_mixtures_compute_what_their_specs_list(
    config: Config, num_units: int, state_format: NumberFormat, compute_format: NumberFormat
) -> None:
    spec = spec_from_config(config, "c")
    work = ForwardWork((Span(30, 1), Span(0, num_units)), 2)
    assert differences(spec, spec, work, state_format, compute_format) == []


def test_the_published_sizes_compute_what_their_spec_lists() -> None:
    """Two layers; the others are like them."""
    spec = replace(spec_from_config(QWEN_3_30B_A3B, "c"), layer_windows=(None,) * 2)
    half = NumberFormat.BFLOAT16
    assert differences(spec, spec, ForwardWork((Span(0, 70), Span(4095, 1)), 2), half, half) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "number of experts": ({"num_experts": 6}, "router_product"),
    "experts per token": ({"num_chosen": 1}, "expert_choice"),
    "size inside": ({"inner_size": 7}, "expert_gate_up_product"),
    "which layers": ({"dense_layers": (0,)}, "router_product"),
}
"""Changes to the experts, each with the first operation in which the model must then be seen to differ."""


@pytest.mark.parametrize("name", WRONG)
def test_a_spec_with_one_wrong_number_is_found(name: str) -> None:
    model = spec_from_config(TINY_EXPERTS | {"mlp_only_layers": [1]}, "c")
    assert model.experts is not None
    change, first = WRONG[name]
    wrong = replace(model, experts=replace(model.experts, **change))
    assert differences(model, wrong, MIXED)[0].startswith(f"computed Operation(name='{first}'")
