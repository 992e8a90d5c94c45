"""Contenders take turns on the same loads; the first load does not count."""

import pytest

from weft.contracts.errors import ConfigurationError
from weft.measurement.contenders import FreshPrompts, Job, Load, ratios, take_turns
from weft.measurement.latency_bench import LatencySettings, bench_latency, latency_figures
from weft.measurement.throughput_bench import ThroughputSettings, bench_throughput, throughput_figures
from weft.measurement.token_times import LatencyRun, Spread, ThroughputRun


class Scripted:
    """Notes what it was asked, and answers with a speed that grows from run to run."""

    def __init__(self, name: str, speed: float, diary: list[tuple[str, Load]]) -> None:
        self.name = name
        self._speed = speed
        self._diary = diary
        self._num_runs = 0

    def latency(self, load: Load) -> LatencyRun:
        speed = self._note(load)
        decode = speed if load[0].output_tokens > 1 else None
        num_tokens = sum(job.output_tokens for job in load)
        return LatencyRun(1 / speed, None, None, 2 * speed, decode, num_tokens, 0)

    def throughput(self, load: Load) -> ThroughputRun:
        prompt_tokens = sum(len(job.prompt) for job in load)
        output_tokens = sum(job.output_tokens for job in load)
        return ThroughputRun(
            output_tokens / self._note(load), len(load), prompt_tokens, output_tokens, 2.5, 1, 0
        )

    def close(self) -> None:
        raise AssertionError("whoever made it closes it")

    def _note(self, load: Load) -> float:
        self._diary.append((self.name, load))
        self._num_runs += 1
        return self._speed * self._num_runs


def test_turns_alternate_and_the_first_does_not_count() -> None:
    diary: list[tuple[str, Load]] = []
    pair = [Scripted("ours", 1.0, diary), Scripted("theirs", 10.0, diary)]
    loads = [[Job((number,), 1)] for number in range(3)]
    told: list[str] = []
    runs = take_turns(pair, loads, lambda contender, load: contender.throughput(load).wall_s, told.append)
    assert diary == [(name, load) for load in loads for name in ("ours", "theirs")]
    assert told == ["ours", "theirs"] * 3
    assert runs == {"ours": [1 / 2, 1 / 3], "theirs": [1 / 20, 1 / 30]}


def test_ratios_are_of_runs_side_by_side() -> None:
    runs = {"ours": [2.0, 9.0, 4.0], "theirs": [1.0, 3.0, 4.0]}
    assert ratios(runs, {"speed": lambda run: run}) == {"speed": Spread(2.0, 1.0, 3.0)}
    assert ratios(runs, {"speed": lambda run: None}) == {"speed": None}
    assert ratios({"ours": [2.0]}, {"speed": lambda run: run}) == {}


def test_no_prompt_comes_twice_and_a_seed_repeats_them() -> None:
    prompts, again = FreshPrompts(0, 50), FreshPrompts(0, 50)
    jobs = prompts.jobs([(16, 3)] * 200)
    assert jobs == again.jobs([(16, 3)] * 200)
    assert len({job.prompt for job in jobs}) == 200
    assert all(len(job.prompt) == 16 and job.output_tokens == 3 for job in jobs)
    assert {token for job in jobs for token in job.prompt} == set(range(50))
    assert FreshPrompts(1, 50).jobs([(16, 3)]) != jobs[:1]


def test_latency_measures_every_shape() -> None:
    settings = LatencySettings(
        batches=(1, 3), prompt_tokens=(4, 6), output_tokens=5, prefill_tokens=9, repeats=2
    )
    diary: list[tuple[str, Load]] = []
    told: list[str] = []
    pair = [Scripted("ours", 2.0, diary), Scripted("theirs", 1.0, diary)]
    rows = bench_latency(settings, pair, 50, told.append)
    shapes = [(row.batch, row.prompt_tokens, row.output_tokens) for row in rows]
    assert shapes == [(1, 9, 1), (1, 4, 5), (3, 4, 5), (1, 6, 5), (3, 6, 5)]
    assert len(told) == len(diary) == 2 * settings.runs_per_contender
    assert settings.longest_tokens == 11
    prompts = [job.prompt for name, load in diary for job in load if name == "ours"]
    assert len(set(prompts)) == len(prompts)
    for row in rows:
        figures = row.figures["ours"]
        assert figures.num_output_tokens == settings.repeats * row.batch * row.output_tokens
        assert row.ratios["prefill"] == Spread(2.0, 2.0, 2.0)
    assert rows[0].ratios["decode"] is None
    assert rows[1].ratios["decode"] == Spread(2.0, 2.0, 2.0)


def test_latency_figures_are_in_milliseconds() -> None:
    runs = [LatencyRun(0.5, 0.02, None, 10.0, 20.0, 4, 1), LatencyRun(0.3, 0.04, 0.05, 30.0, None, 4, 2)]
    figures = latency_figures(runs)
    assert figures.ttft_ms == Spread(400.0, 300.0, 500.0)
    assert figures.tpot_ms == Spread(30.0, 20.0, 40.0)
    assert figures.itl_p99_ms is None
    assert figures.prefill_tokens_per_s == Spread(20.0, 10.0, 30.0)
    assert figures.decode_tokens_per_s is None
    assert (figures.num_output_tokens, figures.prefix_hit_tokens) == (8, 3)


def test_lengths_are_drawn_evenly_around_the_mean() -> None:
    settings = ThroughputSettings(num_prompts=4000, prompt_tokens=100, output_tokens=10, spread=0.3, seed=5)
    prompts, outputs = zip(*settings.lengths(), strict=True)
    assert (min(prompts), max(prompts)) == (70, 130)
    assert (min(outputs), max(outputs)) == (7, 13)
    assert sum(prompts) / 4000 == pytest.approx(100, abs=1.5)
    assert settings.lengths() == settings.lengths()
    assert settings.longest_tokens <= 143


def test_lengths_are_at_least_one_token() -> None:
    settings = ThroughputSettings(num_prompts=100, prompt_tokens=1, output_tokens=2, spread=0.9)
    assert {prompt for prompt, _ in settings.lengths()} == {1}
    assert {output for _, output in settings.lengths()} == {1, 2, 3}
    equal = ThroughputSettings(num_prompts=9, prompt_tokens=7, output_tokens=3, spread=0.0)
    assert set(equal.lengths()) == {(7, 3)}


@pytest.mark.parametrize("spread", [-0.1, 1.0, float("nan")])
def test_a_spread_that_no_length_can_have_is_refused(spread: float) -> None:
    with pytest.raises(ConfigurationError, match="at least 0 and below 1"):
        ThroughputSettings(spread=spread)


def test_throughput_serves_the_load_with_everybody() -> None:
    settings = ThroughputSettings(num_prompts=20, prompt_tokens=10, output_tokens=4, repeats=3)
    diary: list[tuple[str, Load]] = []
    pair = [Scripted("ours", 3.0, diary), Scripted("theirs", 1.0, diary)]
    report = bench_throughput(settings, pair, 50)
    assert [len(load) for _, load in diary] == [8] * 2 + [20] * 6
    lengths = [[(len(job.prompt), job.output_tokens) for job in load] for _, load in diary[2:]]
    assert all(each == settings.lengths() for each in lengths)
    figures = report.figures["ours"]
    assert figures.num_prompt_tokens == sum(prompt for prompt, _ in settings.lengths())
    assert figures.num_output_tokens == sum(output for _, output in settings.lengths())
    assert figures.output_tokens_per_s == Spread(9.0, 6.0, 12.0)
    ratio = report.ratios["output"]
    assert ratio is not None
    assert (ratio.low, ratio.high) == pytest.approx((3.0, 3.0))


def test_throughput_figures() -> None:
    runs = [ThroughputRun(2.0, 10, 60, 40, 5.0, 1, 0), ThroughputRun(4.0, 10, 60, 40, 7.0, 2, 16)]
    figures = throughput_figures(runs)
    assert figures.requests_per_s == Spread(3.75, 2.5, 5.0)
    assert figures.output_tokens_per_s == Spread(15.0, 10.0, 20.0)
    assert figures.total_tokens_per_s == Spread(37.5, 25.0, 50.0)
    assert figures.mean_running == Spread(6.0, 5.0, 7.0)
    assert (figures.num_preemptions, figures.prefix_hit_tokens) == (3, 16)
    unknown = throughput_figures([ThroughputRun(2.0, 10, 60, 40)])
    assert (unknown.mean_running, unknown.num_preemptions, unknown.prefix_hit_tokens) == (None, None, None)
