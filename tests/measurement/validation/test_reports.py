"""All that is found is shown: as text, as JSON, as a page, and by the command."""

import json
from xml.dom.minidom import parseString

import pytest

from tests.measurement.validation.recorded import write_runs
from weft.measurement.validation.page import scatter_plots
from weft.measurement.validation.text import aligned, describe_against
from weft.measurement.validation.validating import Validation, validate_against


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Validation:
    return validate_against(write_runs(tmp_path_factory.mktemp("runs")))


def test_the_text_has_every_run_and_what_could_not_be_predicted(validation: Validation) -> None:
    text = "\n".join(describe_against(validation))
    for part in (
        "requests: 5 requests",
        "points: 1 points",
        "vllm unknown, meta-llama/Llama-3.1-8B on h100",
        "output tokens/s",
        "90th percentile",
        "not predicted: model 'nobody/nothing'",
        "1 runs could not be predicted",
    ):
        assert part in text
    assert validation.machine["version"] in text


def test_the_json_has_every_figure(validation: Validation) -> None:
    written = json.loads(json.dumps(validation.as_json(), allow_nan=False))
    assert {"commit", "version", "processor"} <= written["machine"].keys()
    points, requests, steps, unknown = written["experiments"]
    assert len(requests["figures"]) == 13
    assert points["errors"][0]["number"] == 1
    assert steps["errors"][0]["constant_median"] is not None
    assert steps["profile"]
    assert unknown["refusal"]
    assert {each["name"]: each["number"] for each in written["overall"]} == {"TTFT": 1, "TPOT": 1, "step": 2}
    assert written["covered"]["steps"]["number"] == 2


def test_the_plots_hold_all_pairs_and_a_line_without_error(validation: Validation) -> None:
    plots = {plot.title: plot for plot in scatter_plots(validation)}
    assert set(plots) == {"TTFT", "TPOT", "E2E", "step"}
    steps, diagonal = plots["step"].lines
    assert len(steps.points) == 2
    assert all(x == y for x, y in diagonal.points)
    picture = parseString(plots["step"].as_svg("one").partition("</figcaption>")[2].partition("<ul")[0])
    assert len(picture.getElementsByTagName("circle")) == 2
    assert len(picture.getElementsByTagName("polyline")) == 1


def test_columns_are_aligned() -> None:
    assert aligned([["a", "1"], ["bb", "100"]]) == ["a     1", "bb  100"]
