"""Costs of operations and passes, by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.planned_models import HALF, MODELS, PLAIN, Step, placed_models, steps
from tests.costs.toy_hardware import DEVICE, cluster
from tests.costs.toy_ratios import PROFILE, Same, ToyRatios
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.costs.cost import CostModel, DeviceState
from weft.costs.kernel_ratios import Correction, KernelRatios, alike
from weft.costs.roofline import MEASURED_ERROR, Ceilings, Roofline, fused
from weft.costs.servers import FREE, SERVERS, ServerConstants, find_server
from weft.costs.step_costs import StepCosts
from weft.hardware.catalogue import find_cluster
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Formats, ForwardWork, OperationKind, Span
from weft.model_specs.plan import ONE_DEVICE, Plan
from weft.model_specs.quantization import find_quantization

LLAMA = find_model("llama-3.1-8b")
HOSTED = ServerConstants(step_s=3.0)
BUILD = OperationBuilder(Formats(NumberFormat.FLOAT16, NumberFormat.FLOAT16, NumberFormat.FLOAT16))


def test_an_operation_takes_the_longer_of_its_two_times() -> None:
    roofline: CostModel = Roofline(cluster())
    # 2 * 50 * 40 * 30 flops at 1000 per second, (30 * 40 + 50 * 30 + 50 * 40) * 2 bytes at 10 per second
    assert roofline.predict([BUILD.product("p", 0, 50, 40, 30)]).seconds == 940.0
    # 2 * 5000 * 400 * 300 flops; far fewer bytes per flop
    assert roofline.predict([BUILD.product("p", 0, 5000, 400, 300)]).seconds == 1_200_000.0


def test_a_pass_adds_up_with_the_host_and_the_power_of_the_boards() -> None:
    listed = [BUILD.product("p", 0, 50, 40, 30), BUILD.norm("n", 0, 5, 4)]
    cost = Roofline(cluster(), server=HOSTED).predict(listed)
    assert cost.stage_seconds == (940.0 + (4 + 20 + 20) * 2 / 10.0,)
    assert cost.seconds == cost.stage_seconds[0] + 3.0
    assert cost.joules == 7.0 * cost.seconds
    assert cost.link_bytes == {}
    assert cost.profile == "roofline of Toy"


def test_devices_of_a_stage_draw_while_it_computes_and_all_while_the_host_works() -> None:
    later = OperationBuilder(BUILD.formats, stage=1)
    roofline = Roofline(cluster(), Plan(tp=2, pp=2), server=HOSTED)
    cost = roofline.predict([BUILD.norm("n", 0, 5, 4), later.norm("n", 1, 5, 4)])
    assert cost.stage_seconds == (8.8, 8.8)
    assert cost.joules == pytest.approx(7.0 * (2 * 8.8 + 2 * 8.8 + 4 * 3.0))


def test_all_ranks_of_a_context_draw() -> None:
    roofline = Roofline(cluster(), Plan(tp=2, cp=2))
    assert roofline.joules(10.0) == 2 * 2 * 7.0 * 10.0


def test_nothing_costs_nothing() -> None:
    cost = Roofline(cluster(), server=HOSTED).predict([])
    assert (cost.seconds, cost.stage_seconds, cost.joules) == (0.0, (0.0,), 0.0)


def test_attention_is_two_kernels_per_layer() -> None:
    work = ForwardWork((Span(3, 1), Span(9, 1), Span(0, 4), Span(8, 2)), 0)
    listed = list(PLAIN.operations(work, *HALF))
    kernels = [each for each in fused(listed) if each.kind is OperationKind.ATTENTION]
    assert len(kernels) == 2 * PLAIN.num_layers
    assert sum(each.flops for each in kernels) == sum(
        each.flops for each in listed if each.kind is OperationKind.ATTENTION
    )
    assert fused(fused(listed)) == fused(listed)


def test_a_slower_clock_lowers_the_peak_and_not_the_bandwidth() -> None:
    slow = DeviceState(frequency_hz=25.0)
    roofline = Roofline(cluster())
    compute_bound, memory_bound = BUILD.product("p", 0, 5000, 400, 300), BUILD.norm("n", 0, 5, 4)
    assert roofline.predict([compute_bound], slow).seconds == 2 * roofline.predict([compute_bound]).seconds
    assert roofline.predict([memory_bound], slow).seconds == roofline.predict([memory_bound]).seconds


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (DeviceState(frequency_hz=51.0), "frequency_hz is 51; Toy runs at 5 to 50"),
        (DeviceState(frequency_hz=4.0), "frequency_hz is 4; Toy runs at 5 to 50"),
        (DeviceState(power_cap_watts=5.0), "power_cap_watts: a roofline cannot tell"),
    ],
)
def test_a_state_that_cannot_be_predicted_is_refused(state: DeviceState, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Ceilings(DEVICE, state)


def test_narrow_products_run_at_their_own_peak() -> None:
    """A prompt that flops bound: weights alone narrowed change nothing, 8-bit products take half of the time."""
    work = ForwardWork((Span(0, 4096),), 0)
    found = {}
    for name in (None, "w8a16", "fp8"):
        listed = LLAMA.operations(work, *HALF[:3], find_quantization(name))
        products = [each for each in listed if each.kind is OperationKind.MATMUL]
        found[name] = Roofline(find_cluster("h100")).predict(products).seconds
    assert found["w8a16"] == found[None]
    assert found["fp8"] == pytest.approx(found[None] / 2, rel=1e-3)


def test_a_decode_with_narrow_weights_moves_fewer_bytes() -> None:
    work = ForwardWork((Span(1000, 1),), 1)
    whole, half, quarter = (
        Roofline(find_cluster("h100"))
        .predict(LLAMA.operations(work, *HALF[:3], find_quantization(name)))
        .seconds
        for name in (None, "w8a16", "w4a16")
    )
    # 13.96 GB of linear layers; 1.05 of logits' table and 0.13 of state stay
    assert half == pytest.approx((13.96 / 2 + 1.18) / (13.96 + 1.18) * whole, rel=0.01)
    assert quarter == pytest.approx((13.96 / 4 * 4.125 / 4 + 1.18) / (13.96 + 1.18) * whole, rel=0.01)


def test_a_format_without_a_peak_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"A100 .* peak_flops of float8, only of .* bfloat16, int8"):
        StepCosts(LLAMA, HALF._replace(quantization=find_quantization("fp8")), Roofline(find_cluster("a100")))
    with pytest.raises(ConfigurationError, match="no source states its peak_flops of float16"):
        Roofline(find_cluster("cpu")).predict([BUILD.product("p", 0, 5, 4, 3)])


def test_constants_are_by_server() -> None:
    assert (find_server("none").host_s(100), find_server("none").slack) == (0.0, 1.0)
    assert 0.0 < find_server("vllm").host_s(1) < 0.01
    assert all(server.source for server in SERVERS.values())
    with pytest.raises(
        ConfigurationError, match="server 'vlm' is unknown; choose from none, vllm, vllm-sync"
    ):
        find_server("vlm")
    with pytest.raises(ConfigurationError, match=r"step_s is -1.0; it must be at least 0"):
        ServerConstants(step_s=-1.0)


def test_a_server_adds_to_a_pass_by_its_sequences_and_to_the_time_of_its_kernels() -> None:
    work = ForwardWork((Span(3, 1), Span(9, 1), Span(0, 4)), 0)
    listed = list(PLAIN.operations(work, *HALF))
    kernels_s = Roofline(find_cluster("h100")).predict(listed).seconds
    server = ServerConstants(0.5, 0.25, slack=1.5)
    cost = Roofline(find_cluster("h100"), server=server).predict(listed)
    assert cost.stage_seconds == pytest.approx((1.5 * kernels_s,))
    assert cost.seconds == pytest.approx(0.5 + 3 * 0.25 + 1.5 * kernels_s)


def test_all_reduces_of_a_server_take_longer_than_alone_and_nothing_else_does() -> None:
    plan, eight = Plan(tp=2), find_cluster("8xh100")
    listed = list(PLAIN.operations(ForwardWork((Span(3, 1), Span(0, 4)), 0), *HALF, plan))
    sent = [each for each in listed if each.kind is OperationKind.ALL_REDUCE]
    for ratios in (None, Same(2.0, 1.5)):
        whole, alone = (Roofline(eight, plan, ratios=ratios).predict(each).seconds for each in (listed, sent))
        slow = Roofline(eight, plan, ServerConstants(all_reduce_slack=1.75), ratios).predict(listed)
        assert slow.seconds == pytest.approx(whole + 0.75 * alone)
        assert 0.0 < alone < whole


@given(kernels_s=st.lists(st.floats(0.0, 10.0)), sequences=st.integers(1, 100))
def test_of_a_host_that_works_beside_the_devices_the_longer_counts(
    kernels_s: list[float], sequences: int
) -> None:
    ahead = ServerConstants(0.5, 0.25, slack=1.5, overlapped=True)
    in_turns = replace(ahead, overlapped=False)
    host_s = 0.5 + 0.25 * sequences
    for each in kernels_s:
        assert ahead.seconds(each, sequences) == max(host_s, 1.5 * each)
        assert in_turns.seconds(each, sequences) == host_s + 1.5 * each
    for server in (ahead, in_turns):
        together = [server.seconds(each, sequences) for each in kernels_s]
        assert server.seconds_of_each(kernels_s, sequences) == pytest.approx(together)


def test_a_measured_kernel_takes_its_roofline_and_its_start_times_its_ratio() -> None:
    cost = Roofline(cluster(), ratios=Same(2.0, 1.5)).predict([BUILD.product("p", 0, 50, 40, 30)])
    assert cost.seconds == (940.0 + 2.0) * 1.5


def test_attention_is_corrected_by_what_the_spans_of_a_kernel_are_together() -> None:
    """The two kernels of a layer are asked about with sums, each once."""
    asked: list[tuple[float, ...]] = []

    class Asked(Same):
        def single_beside_chunks(self, *sums: float) -> Correction:
            asked.append(sums)
            return super().single_beside_chunks(*sums)  # type: ignore[arg-type]

        def chunks(self, *sums: float) -> Correction:
            asked.append(sums)
            return super().chunks(*sums)  # type: ignore[arg-type]

    work = ForwardWork((Span(3, 1), Span(9, 1), Span(0, 4), Span(8, 2)), 0)
    Roofline(find_cluster("h100"), ratios=Asked(0.0, 1.0)).predict(PLAIN.operations(work, *HALF))
    assert asked == [(2, 14.0), (2, 6, 14, 10 + 19)] * PLAIN.num_layers


@pytest.mark.parametrize(
    ("ratios", "server", "profile", "error"),
    [
        (None, HOSTED, "roofline of Toy", MEASURED_ERROR),
        (ToyRatios(), FREE, PROFILE, 0.25),
        (ToyRatios(), HOSTED, PROFILE, None),
        (ToyRatios(None), HOSTED, PROFILE, None),
        (ToyRatios(), ServerConstants(relative_error=0.1), PROFILE, 0.1),
    ],
)
def test_a_prediction_says_what_it_rests_on(
    ratios: KernelRatios | None, server: ServerConstants, profile: str, error: float | None
) -> None:
    cost = Roofline(cluster(), ONE_DEVICE, server, ratios).predict([])
    assert (cost.profile, cost.relative_error) == (profile, error)


@given(visible=st.integers(0, 10**9), more=st.integers(0, 10**6))
def test_numbers_of_visible_tokens_that_are_alike_are_within_a_256th(visible: int, more: int) -> None:
    middle, end = alike(visible)
    assert abs(middle - visible) <= visible / 256
    assert (alike(visible + more) == (middle, end)) == (visible + more < end)


@given(placed=placed_models(), step=steps(), times=st.floats(1.0, 100.0))
def test_more_bandwidth_is_never_slower(placed: tuple[ModelSpec, Plan], step: Step, times: float) -> None:
    spec, plan = placed
    slow = find_cluster("4x4xh100")
    node = slow.node
    faster = replace(node.device, memory_bandwidth=node.device.figure("memory_bandwidth") * times)
    wider = replace(node.device_link, bandwidth=node.device_link.bandwidth * times)
    listed = list(spec.operations(step.work, *HALF, plan))
    seconds = Roofline(slow, plan).predict(listed).seconds
    assert Roofline(replace(slow, node=replace(node, device=faster)), plan).predict(listed).seconds <= seconds
    assert (
        Roofline(replace(slow, node=replace(node, device_link=wider)), plan).predict(listed).seconds
        <= seconds
    )


@pytest.mark.parametrize("name", MODELS)
def test_stages_add_up_to_the_whole(name: str) -> None:
    """But for the sending between them, which takes all of what is left."""
    spec, work = MODELS[name], ForwardWork((Span(30, 1), Span(0, 9)), 2)
    whole = Roofline(find_cluster("h100")).predict(spec.operations(work, *HALF)).seconds
    plan = Plan(pp=3)
    listed = list(spec.operations(work, *HALF, plan))
    computing = [each for each in listed if each.communication is None]
    cost = Roofline(find_cluster("4xh100"), plan).predict(computing)
    assert cost.seconds == pytest.approx(whole)
    assert len(listed) - len(computing) == 2
