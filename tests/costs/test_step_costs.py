"""The compiled costs of steps are those of the listed operations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.planned_models import CLUSTER, FORMATS, HALF, MODELS, PLAIN, Step, placed_models, steps
from tests.costs.toy_ratios import Same, ToyRatios
from weft.costs.cost import DeviceState
from weft.costs.kernel_ratios import KernelRatios
from weft.costs.roofline import Roofline
from weft.costs.servers import ServerConstants
from weft.costs.step_costs import StepCosts
from weft.hardware.catalogue import find_cluster
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats
from weft.model_specs.plan import ONE_DEVICE, Plan

SAME = 1e-9


SERVER = ServerConstants(step_s=1e-4, sequence_s=3e-6, slack=1.3, all_reduce_slack=1.7)
RATIOS = st.sampled_from((None, ToyRatios()))
EVEN = st.sampled_from((None, Same(2e-6, 1.5)))


@given(placed=placed_models(), step=steps(), chosen=FORMATS, slow=st.booleans(), ratios=RATIOS)
def test_a_step_costs_what_its_operations_cost(
    placed: tuple[ModelSpec, Plan], step: Step, chosen: Formats, slow: bool, ratios: KernelRatios | None
) -> None:
    spec, plan = placed
    roofline, state = Roofline(CLUSTER, plan, SERVER, ratios), DeviceState(1e9 if slow else None)
    expected = roofline.predict(spec.operations(step.work, *chosen, plan), state)
    costs = StepCosts(spec, chosen, roofline, state)
    assert costs.seconds(*step.arguments(spec)) == pytest.approx(expected.seconds, rel=SAME)
    assert costs.stage_seconds(*step.arguments(spec)) == pytest.approx(expected.stage_seconds, rel=SAME)
    assert costs.joules(expected.seconds, num_sequences=len(step.work.spans)) == expected.joules


@given(
    placed=placed_models(),
    contexts=st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    num_steps=st.integers(1, 60),
    ratios=RATIOS,
)
def test_decodes_that_follow_each_other_cost_to_the_bit_what_each_of_them_costs(
    placed: tuple[ModelSpec, Plan], contexts: list[int], num_steps: int, ratios: KernelRatios | None
) -> None:
    spec, plan = placed
    costs, count = StepCosts(spec, HALF, Roofline(CLUSTER, plan, SERVER, ratios)), len(contexts)
    first, growth = Step(contexts, [], 0).visible(spec), [count] * len(spec.layer_groups)
    for longest in (0, max(contexts) + 1):
        each = [
            costs.seconds(count, count, count, seen, (), longest and longest + step)
            for step in range(num_steps)
            for seen in [[visible + count * step for visible in first]]
        ]
        assert costs.decode_seconds(count, first, growth, num_steps, longest) == each
    standing = costs.decode_seconds(count, first, [0] * len(first), num_steps)
    assert standing == [costs.seconds(count, count, count, first)] * num_steps


@pytest.mark.parametrize("name", MODELS)
def test_a_profile_scales_kernels_and_a_server_adds_to_them(name: str) -> None:
    """Twice of everything takes twice as long, in whatever way it is asked."""
    spec, step = MODELS[name], Step([5, 70], [(20, 3)], 3)
    plain, twice = (Roofline(CLUSTER, ONE_DEVICE, ratios=ratios) for ratios in (None, Same(0.0, 2.0)))
    seconds = StepCosts(spec, HALF, plain).seconds(*step.arguments(spec))
    assert StepCosts(spec, HALF, twice).seconds(*step.arguments(spec)) == pytest.approx(2 * seconds)
    slow = Roofline(CLUSTER, ONE_DEVICE, ServerConstants(0.5, 0.25, slack=3.0))
    costs = StepCosts(spec, HALF, slow)
    assert costs.seconds(*step.arguments(spec)) == pytest.approx(0.5 + 3 * 0.25 + 3 * seconds)
    assert costs.stage_seconds(*step.arguments(spec)) == pytest.approx([3 * seconds])


@pytest.mark.parametrize(
    "name", ["deepseek-v3", "llama-3.1-8b", "falcon-40b", "mixtral-8x7b-v0.1", "mistral-7b-v0.1"]
)
@pytest.mark.parametrize("ratios", [None, ToyRatios()], ids=["plain", "profiled"])
def test_published_models_cost_what_their_operations_cost(name: str, ratios: KernelRatios | None) -> None:
    spec, step = find_model(name), Step([100, 9000, 4095, 4096], [(512, 0), (300, 7000), (1, 5)], 6)
    roofline = Roofline(find_cluster("8xh200"), Plan(tp=8), ratios=ratios)
    expected = roofline.predict(spec.operations(step.work, *HALF, roofline.plan)).seconds
    assert StepCosts(spec, HALF, roofline).seconds(*step.arguments(spec)) == pytest.approx(expected, rel=SAME)


def test_unequal_lengths_cost_what_the_profile_says_of_the_longest() -> None:
    """Of toy kernels, four sequences and more wait for their longest, and any beside chunks."""
    costs = StepCosts(PLAIN, HALF, Roofline(CLUSTER, ratios=ToyRatios()))
    assert costs.wants_longest
    assert not StepCosts(PLAIN, HALF, Roofline(CLUSTER, ratios=Same(0.0, 2.0))).wants_longest
    assert not StepCosts(PLAIN, HALF, Roofline(CLUSTER)).wants_longest
    alike_s, unequal_s, more_s = (costs.seconds(4, 4, 4, [400], (), longest) for longest in (100, 200, 300))
    assert alike_s == costs.seconds(4, 4, 4, [400])
    assert unequal_s > alike_s
    assert more_s - unequal_s == pytest.approx(unequal_s - alike_s)
    assert costs.seconds(3, 3, 3, [300], (), 200) == costs.seconds(3, 3, 3, [300])
    assert costs.seconds(13, 3, 3, [300], [(10, 0)], 200) > costs.seconds(13, 3, 3, [300], [(10, 0)])


def test_remembered_costs_do_not_depend_on_what_was_asked_before() -> None:
    costs = StepCosts(PLAIN, HALF, Roofline(CLUSTER))
    first, other = Step([5, 70], [], 2), Step([5], [(20, 3)], 2)
    before = costs.seconds(*first.arguments(PLAIN))
    costs.seconds(*other.arguments(PLAIN))
    assert costs.seconds(*first.arguments(PLAIN)) == before


def test_a_step_without_tokens_costs_nothing() -> None:
    costs = StepCosts(PLAIN, HALF, Roofline(CLUSTER, Plan(pp=2), ServerConstants(1.0)))
    assert costs.seconds(0, 0, 0, [0]) == 0.0
    assert costs.stage_seconds(0, 0, 0, [0]) == (0.0, 0.0)


@given(
    placed=placed_models(), step=steps(), context=st.integers(0, 3000), more=st.integers(1, 50), ratios=EVEN
)
def test_more_work_is_never_cheaper(
    placed: tuple[ModelSpec, Plan], step: Step, context: int, more: int, ratios: KernelRatios | None
) -> None:
    spec, plan = placed
    costs = StepCosts(spec, HALF, Roofline(CLUSTER, plan, SERVER, ratios))
    seconds = costs.seconds(*step.arguments(spec))
    for larger in (
        step._replace(contexts=[*step.contexts, context]),
        step._replace(contexts=[each + more for each in step.contexts]),
        step._replace(chunks=[*step.chunks, (more, context)]),
        step._replace(num_outputs=step.num_tokens),
    ):
        assert costs.seconds(*larger.arguments(spec)) >= seconds * (1 - SAME)


@pytest.mark.parametrize("name", MODELS)
def test_every_small_model_is_cheaper_per_token_in_a_batch(name: str) -> None:
    spec = MODELS[name]
    costs = StepCosts(spec, HALF, Roofline(CLUSTER, ONE_DEVICE))
    one, many = Step([64], [], 1), Step([64] * 32, [], 32)
    assert costs.seconds(*many.arguments(spec)) < 32 * costs.seconds(*one.arguments(spec))
