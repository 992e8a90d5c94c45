"""The profiles that ship: complete, sane, of the figures that the catalogue has, as accurate as they say."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.costs.profiles.hand_made import shared_profiles
from tools.profile_fits import compact_errors, errors_at, is_held_out, is_served, summary
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.costs.profiles.find import (
    SHIPPED,
    description,
    relative_to,
    shipped_ratios,
    surfaces_of,
    table_ratios,
)
from weft.costs.profiles.points import Family, family_of
from weft.costs.profiles.tables import NAMES, Tables, surface_through
from weft.costs.roofline import Roofline
from weft.costs.step_costs import StepCosts
from weft.hardware.catalogue import find_cluster, find_device
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Formats, OperationKind
from weft.model_specs.plan import Plan

BF16 = NumberFormat.BFLOAT16
FORMATS = Formats(BF16, BF16, BF16)
BUILD = OperationBuilder(FORMATS)
DEVICES = list(SHIPPED.values())


@pytest.mark.parametrize("name", DEVICES)
def test_ratios_belong_to_the_figures_of_the_catalogue(name: str) -> None:
    data = description(name)
    assert data["device"] == find_device(name).name
    assert data["relative_to"] == relative_to(find_cluster(name)), "run tools/fit_profiles.py again"
    assert data["sources"]


@pytest.mark.parametrize("name", DEVICES)
def test_surfaces_are_complete_small_and_positive(name: str) -> None:
    surfaces = description(name)["surfaces"]
    assert set(surfaces) <= set(NAMES)
    for needed in (Family.PRODUCT, Family.SINGLE_ATTENTION, Family.CHUNK_ATTENTION):
        assert needed.surface(BF16) in surfaces
    for each in surfaces.values():
        assert 0.0 <= each["start_s"] < 40e-6
        assert min(each["ratios"]) > 0.01
        assert max(each["ratios"]) < 100.0
        assert len(each["ratios"]) <= 400


@pytest.mark.parametrize("name", DEVICES)
def test_larger_products_take_longer(name: str) -> None:
    cluster = find_cluster(name)
    machine = Roofline(cluster, ratios=shipped_ratios(cluster.device.name, cluster)).machine()
    for outputs, inputs in ((6144, 4096), (4096, 14336), (1024, 8192)):
        times = [machine.seconds(BUILD.product("p", 0, 4**power, outputs, inputs)) for power in range(8)]
        assert all(more > 0.9 * less for less, more in pairwise(times))
        assert times[-1] > 10 * times[0]


@pytest.mark.parametrize("name", DEVICES)
def test_steps_take_longer_with_more_context_and_more_tokens(name: str) -> None:
    cluster = find_cluster(name)
    roofline = Roofline(cluster, ratios=shipped_ratios(cluster.device.name, cluster))
    costs = StepCosts(find_model("meta-llama/Llama-3.1-8B"), FORMATS, roofline)
    decodes = [costs.seconds(64, 64, 64, [64 * context]) for context in (128, 512, 2048, 8192)]
    chunks = [costs.seconds(tokens, 1, 0, [0], [(tokens, 0)]) for tokens in (128, 512, 2048, 8192)]
    contexts = [costs.seconds(512, 1, 0, [0], [(512, context)]) for context in (0, 2048, 8192, 32768)]
    for times in (decodes, chunks, contexts):
        assert all(more > less for less, more in pairwise(times))


@pytest.mark.parametrize("name", ["h100", "a100", "rtx-pro-6000"])
def test_larger_messages_take_longer(name: str) -> None:
    cluster = find_cluster(f"8x{name}")
    roofline = Roofline(cluster, Plan(tp=4), ratios=shipped_ratios(cluster.device.name, cluster))
    messages = (
        BUILD.communication(OperationKind.ALL_REDUCE, "all_reduce", 0, (Axis.TENSOR, 4), 4**power)
        for power in range(6, 15)
    )
    times = [roofline.machine().seconds(message) for message in messages]
    assert all(more > 0.95 * less for less, more in pairwise(times))


def test_a_device_without_a_profile_has_none() -> None:
    cluster = find_cluster("mi300x")
    assert shipped_ratios(cluster.device.name, cluster) is None


def test_profiles_name_what_they_rest_on() -> None:
    cluster = find_cluster("h100")
    ratios = shipped_ratios("H100 SXM", cluster)
    assert ratios is not None
    assert ratios.profile == "vLLM 0.24.0 kernels on H100 SXM (ai-dynamo/aiconfigurator), compact fit"
    assert ratios.relative_error == description("h100")["relative_error"]


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no tables of L40S"):
        table_ratios(tmp_path, find_cluster("l40s"))


@pytest.mark.parametrize(
    ("name", "surface"),
    [
        ("h100", "single_attention bfloat16"),
        ("h100", "all_reduce"),
        ("a100", "product bfloat16"),
        ("l40s", "large_all_reduce"),
        ("rtx-4090", "chunk_attention bfloat16"),
        ("rtx-pro-6000", "experts bfloat16"),
    ],
)
def test_the_published_accuracy_holds(name: str, surface: str) -> None:
    tables, family = Tables(shared_profiles(), find_cluster(name)), family_of(surface)
    measured = [each for each in tables.measured(surface) if is_served(family, each)]
    held_out = [each for each in measured if is_held_out(each)]
    through = surface_through([each for each in measured if not is_held_out(each)])
    assert through is not None
    found = {
        "compact": compact_errors(family, surfaces_of(description(name))[surface], held_out),
        "tables": errors_at(through, ((each.point, each) for each in held_out)),
    }
    published = description(name)["surfaces"][surface]
    assert published["measured"] == len(measured)
    for form, errors in found.items():
        _, median, _, of_nine_tenths = summary(errors)
        assert published["errors"][form] == pytest.approx([median, of_nine_tenths], abs=0.002)
