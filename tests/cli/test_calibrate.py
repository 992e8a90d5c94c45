"""`weft calibrate`, and what `weft simulate` makes of what it wrote."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.executor.tiny_serving import save_tiny
from weft.cli.calibrate import command
from weft.contracts.errors import ConfigurationError
from weft.costs.local_profile import LocalProfile, default_path, read_profile
from weft.measurement.simulation import SimulationResult, simulate
from weft.model_specs.families import read_spec

QUICK = ("--seconds", "1", "--threads", "1", "--block-tokens", "4", "--max-num-seqs", "8")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", seed=0)


@pytest.fixture(scope="module")
def output(model: str, cache: Path) -> str:
    runner = CliRunner(env={"XDG_CACHE_HOME": str(cache)})
    outcome = runner.invoke(command, [model, *QUICK], catch_exceptions=False)
    assert outcome.exit_code == 0
    return outcome.stdout


def measured(model: str, cache: Path) -> LocalProfile:
    return read_profile(default_path(read_spec(Path(model)), {"XDG_CACHE_HOME": str(cache)}))


def simulated(model: str, hardware: str, **choices: object) -> SimulationResult:
    sizes = {"max_num_seqs": 8, "block_tokens": 4}
    return simulate(model, "azure-conv", requests=30, rate=50.0, hardware=hardware, **sizes | choices)  # type: ignore[arg-type]


def test_it_tells_what_it_found_and_where_it_is(output: str, model: str, cache: Path) -> None:
    profile = measured(model, cache)
    assert profile.model == model
    assert "backend cpu, device cpu, dtype float32, threads 1" in output
    assert f"of {profile.num_held_out} kinds of steps that were not fitted" in output
    assert output.rstrip().endswith(".json")


@pytest.mark.usefixtures("output")
def test_this_machine_is_simulated_by_its_profile(
    model: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    profile, result = measured(model, cache), simulated(model, "local")
    assert result.profile == profile.profile
    assert result.relative_error == profile.relative_error
    assert result.server == "weft"
    assert result.num_devices == 1
    assert result.joules is None
    by_file = simulated(model, f"local:{default_path(read_spec(Path(model)))}")
    assert by_file.requests == result.requests


def test_without_a_profile_it_says_what_to_run(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="run `weft calibrate"):
        simulated(model, "local")


@pytest.mark.usefixtures("output")
@pytest.mark.parametrize(
    ("choices", "problem"),
    [
        ({"tp": 2}, "the plan is of 2 devices"),
        ({"dtype": "bfloat16"}, "dtype is bfloat16"),
        ({"quantization": "fp8"}, "quantization is fp8"),
        ({"kv_cache_dtype": "fp8"}, "kv_cache_dtype is fp8"),
    ],
)
def test_what_was_not_measured_is_refused(
    choices: dict[str, object],
    problem: str,
    model: str,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    with pytest.raises(ConfigurationError, match=problem):
        simulated(model, "local", **choices)


def test_a_file_that_cannot_be_written_is_named(model: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = [model, *QUICK, "--out", str(tmp_path / "file" / "profile.json")]
    with pytest.raises(ConfigurationError, match="name another with --out"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
