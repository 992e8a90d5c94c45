"""The same requests under each policy."""

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo
from weft.measurement.comparison.comparing import Comparison, Outcome, compare
from weft.measurement.comparison.contestants import Contestant, read_contestants
from weft.measurement.comparison.html import comparison_page
from weft.measurement.comparison.markdown import comparison_markdown
from weft.measurement.comparison.run_figures import RunFigures
from weft.measurement.comparison.text import describe_comparison
from weft.measurement.comparison.trial import (
    LONELY_PER_S,
    Question,
    Variation,
    own_rate_per_s,
    run_trial,
    varied,
    with_objective,
)
from weft.measurement.comparison.verdicts import verdicts
from weft.measurement.simulation import deployment_options
from weft.measurement.sweep_workers import SweepError
from weft.simulator.deployment_options import DeploymentOptions

SMALL = deployment_options(DeploymentOptions(), {"hardware": "l4", "max_num_seqs": 4})
QUESTION = Question("facebook/opt-125m", "azure-conv", 60.0, 60, SMALL, Slo(0.05, 0.01), told="none")


def figures(**values: float) -> RunFigures:
    return RunFigures(*[1.0] * len(RunFigures._fields))._replace(**values)


def outcome(*runs: tuple[float, float], figure: str = "ttft_mean_s") -> Outcome:
    """Of a baseline and another, seed by seed."""
    names = ("base", "other")
    contestants = [Contestant(name, {}) for name in names]
    columns = zip(*runs, strict=True)
    return Outcome(
        contestants,
        {
            name: [figures(**{figure: value}) for value in column]
            for name, column in zip(names, columns, strict=True)
        },
    )


def test_what_a_seed_does_to_both_cancels() -> None:
    found = outcome((10.0, 9.0), (100.0, 99.0), (1000.0, 999.0))
    gain = found.gain("other", "ttft_mean_s")
    assert gain.low == pytest.approx(gain.high)
    assert gain.mean == pytest.approx(1 / 370)


def test_more_is_better_of_some_and_less_of_others() -> None:
    assert outcome((1.0, 2.0), (1.0, 2.0)).gain("other", "ttft_mean_s").mean == pytest.approx(-1.0)
    assert outcome((1.0, 2.0), (1.0, 2.0), figure="goodput_per_s").gain("other", "goodput_per_s").mean == 1.0


def test_the_best_is_named_only_where_intervals_say_so() -> None:
    assert outcome((10.0, 5.0), (11.0, 5.5)).best("ttft_mean_s") == "other"
    assert outcome((10.0, 5.0), (5.0, 10.0)).best("ttft_mean_s") is None


def test_a_table_for_a_page_marks_the_best_and_gives_intervals() -> None:
    table = comparison_markdown(Comparison(QUESTION, outcome((10.0, 5.0), (11.0, 5.6)))).splitlines()
    assert table[1] == "|---|---:|---:|"
    assert "| mean TTFT | 10,500.0 ms | **5,300.0 ms** (+25 to +74 %) |" in table
    assert "| preemptions per request | 1.000 | 1.000 |" in table
    assert "| p99 TTFT | 1,000.0 ms | 1,000.0 ms (0 %) |" in table


def test_the_sentences_say_who_wins_and_where_that_ends() -> None:
    plain, gone = outcome((10.0, 5.0), (11.0, 5.5)), outcome((10.0, 12.0), (11.0, 13.0))
    found = Comparison(QUESTION, plain, {("load", 0.5): gone, ("load", 1.1): plain})
    first, second = verdicts(found)
    assert first.startswith("other against base: wins on mean TTFT (50% better")
    assert second.strip() == "its win on mean TTFT is gone at load x0.5 (-19%)."
    (same,) = verdicts(Comparison(QUESTION, outcome((1.0, 1.0), (2.0, 2.0))))
    assert same == "other and base: no difference of 1% that the seeds can tell."


def test_a_comparison_is_the_same_with_any_number_of_processes_and_has_all_its_parts() -> None:
    contestants = read_contestants("fcfs,srpt_oracle")
    told: list[tuple[int, int]] = []
    found = compare(QUESTION, contestants, seeds=2, axes=["outputs"], progress=lambda *at: told.append(at))
    assert told[-1] == (12, 12)
    assert set(found.varied) == {("outputs", 0.5), ("outputs", 2.0)}
    again = compare(QUESTION, contestants, seeds=2)
    assert again.plain.figures == found.plain.figures
    assert found.plain.mean("srpt_oracle", "latency_mean_s") != found.plain.mean("fcfs", "latency_mean_s")
    text = "\n".join(describe_comparison(found))
    assert "mean TTFT" in text
    assert "TTFT 50 ms and TPOT 10 ms; requests do not name it" in text
    table = comparison_markdown(found).splitlines()
    assert table[0] == "| | `fcfs` | `srpt_oracle` |"
    assert len(table) == 2 + len(RunFigures._fields)
    page = comparison_page(found, {"seeds": 2})
    assert page.count("<svg viewBox") >= 6
    assert "http" not in page.replace("http-equiv", "")


def test_the_shortest_job_first_lowers_the_mean_latency_of_a_queue() -> None:
    found = compare(QUESTION, read_contestants("fcfs,sjf_oracle:ageing_tokens_per_s=0"), seeds=3).plain
    assert found.gain("sjf_oracle:ageing_tokens_per_s=0", "latency_mean_s").low > 0.0


def test_a_variation_changes_what_it_names_and_nothing_else() -> None:
    plain, loaded, longer, bursty = (
        list(varied(QUESTION, 0, each).sessions())
        for each in (Variation(), Variation(load=2.0), Variation(outputs=2.0), Variation(burstiness=4.0))
    )
    assert loaded[-1].arrival_s == pytest.approx(plain[-1].arrival_s / 2, rel=0.01)
    assert (
        [each.turns for each in loaded] == [each.turns for each in bursty] == [each.turns for each in plain]
    )
    assert [each.arrival_s for each in longer] == [each.arrival_s for each in plain]
    for one, other in zip(plain, longer, strict=True):
        (turn,), (long,) = one.turns, other.turns
        assert long.output_tokens == 2 * turn.output_tokens
        assert long.prompt == turn.prompt


def test_objectives_are_derived_from_lonely_requests_where_none_are_given() -> None:
    asked = QUESTION._replace(objective=Slo(None, 0.5))
    found = with_objective(asked, run_trial, LONELY_PER_S).objective
    assert found.tpot_s == 0.5
    assert found.ttft_s is not None
    assert 0.0 < found.ttft_s < 1.0


def test_a_workload_has_a_rate_of_its_own_in_requests() -> None:
    assert own_rate_per_s("multi-turn") == pytest.approx(1.0, rel=0.25)


def test_bursts_leave_the_rate_of_requests_as_it_is() -> None:
    turns = QUESTION._replace(workload="multi-turn", rate=10.0, requests=2000)
    plain, bursty = (
        [each.arrival_s for each in varied(turns, 1, Variation(burstiness=cv)).sessions()]
        for cv in (0.0, 2.0)
    )
    assert len(plain) == len(bursty)
    assert bursty[-1] == pytest.approx(plain[-1], rel=0.3)


def test_policies_that_follow_objectives_are_told_them() -> None:
    """A chunk that fits the objective keeps the time per token within it; one that is told nothing cannot."""
    tight = QUESTION._replace(objective=Slo(1.0, 0.003), workload="azure-code", requests=200, rate=80.0)
    told, untold = (
        run_trial(tight._replace(told=which), {"budget": "slo_chunk"}, 0) for which in ("both", "ttft")
    )
    assert told.tpot_p99_s < untold.tpot_p99_s


def test_mistakes_are_told() -> None:
    contestants = read_contestants("fcfs,vtc_oracle")
    with pytest.raises(
        SweepError, match="order 'vtc' expects no lengths; oracles there are for sjf, srpt, hrrn"
    ):
        compare(QUESTION, contestants, seeds=2)
    with pytest.raises(ConfigurationError, match="seeds is 1; an interval takes at least 2"):
        compare(QUESTION, contestants, seeds=1)
    with pytest.raises(
        ConfigurationError, match="there is no axis 'size'; choose from load, outputs, burstiness"
    ):
        compare(QUESTION, contestants, axes=["size"])
