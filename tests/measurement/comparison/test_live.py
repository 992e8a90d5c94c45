"""A comparison on a real engine."""

import pytest
from click.testing import CliRunner

from weft.cli.compare import command
from weft.contracts.errors import ConfigurationError, WeftError
from weft.contracts.requests import Slo
from weft.llm.model_path import resolve_model
from weft.measurement.comparison.comparing import compare
from weft.measurement.comparison.contestants import read_contestants
from weft.measurement.comparison.live import LiveTrials
from weft.measurement.comparison.trial import Question
from weft.measurement.simulation import deployment_options
from weft.simulator.deployment_options import DeploymentOptions

SMALL = {"max_num_seqs": 2, "num_threads": 1, "kv_cache_memory_bytes": 1 << 22}


def test_requests_are_answered_whole_under_each_policy() -> None:
    """All requests come within a millisecond, so that they wait for each other however fast the machine is."""
    options = deployment_options(DeploymentOptions(), SMALL)
    question = Question("weft-nano", "azure-conv", 100_000.0, 12, options, Slo(5.0, 1.0), 64.0)
    trials = LiveTrials(resolve_model("weft-nano"), question)
    try:
        found = compare(
            question, read_contestants("fcfs,tiny_quanta:quantum_tokens=1/lfu"), seeds=2, run=trials.run
        )
    finally:
        trials.close()
    for runs in found.plain.figures.values():
        assert all(each.failed == 0.0 and each.ttft_mean_s > 0.0 for each in runs)
    assert all(each.preemptions == 0.0 for each in found.plain.figures["fcfs"])
    assert sum(each.preemptions for each in found.plain.figures["tiny_quanta:quantum_tokens=1/lfu"]) > 0.0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--hardware", "l4"], "--hardware says what is simulated; leave it or --live out"),
        (["--quantization", "fp8"], "--quantization says what is simulated; leave it or --live out"),
        (["--kv-cache-dtype", "fp8"], "--kv-cache-dtype says what is simulated; leave it or --live out"),
        (["-j", "2"], "-j is for simulations"),
        (["--shorten", "0.5"], "and the server's max_model_len is"),
    ],
)
def test_what_makes_no_sense_live_is_told(flags: list[str], message: str) -> None:
    given = ["--model", "weft-nano", "--policies", "fcfs,srpt", "--live", "--rate", "50", "--requests", "40"]
    objective = ["--slo-ttft-ms", "100", "--slo-tpot-ms", "10"]
    with pytest.raises(WeftError, match=message):
        CliRunner().invoke(command, [*given, *objective, *flags], catch_exceptions=False)


def test_prompts_with_content_cannot_be_shortened() -> None:
    given = ["--model", "facebook/opt-125m", "--policies", "fcfs,srpt", "--workload", "mooncake-conversation"]
    with pytest.raises(WeftError, match="can have no other length"):
        CliRunner().invoke(command, [*given, "--shorten", "8", "--requests", "40"], catch_exceptions=False)


def test_an_oracle_is_for_simulations() -> None:
    given = ["--model", "weft-nano", "--policies", "fcfs,srpt_oracle", "--live", "--shorten", "64"]
    objective = ["--slo-ttft-ms", "100", "--slo-tpot-ms", "10", "--requests", "4", "--rate", "100"]
    with pytest.raises(
        (ConfigurationError, WeftError), match="'srpt_oracle' knows the lengths of outputs ahead"
    ):
        CliRunner().invoke(command, [*given, *objective], catch_exceptions=False)
