"""The file of a calibration: written, read, found, and refused where it does not fit."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.costs.calibrated_examples import profile
from tests.executor.tiny_serving import CONFIG
from weft.contracts.errors import ConfigurationError
from weft.costs.local_profile import default_path, find_profile, read_profile, write_profile
from weft.model_specs.families import spec_from_config

SPEC = spec_from_config(CONFIG, "a test")
OTHER = spec_from_config(CONFIG | {"hidden_size": 32}, "a test")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "new" / "profile.json"
    write_profile(profile(), file)
    assert read_profile(file) == profile()


def test_costs_and_link_are_those_of_the_file() -> None:
    found = profile()
    link = found.host_link(block_bytes=4096)
    assert link.seconds(3 * 4096) == pytest.approx(1e-5 + 3 * 2e-6)
    assert found.costs().seconds(1, 1, 1, (10,)) > found.curve.rows_s[0][1] + 1e-4
    assert (found.costs().admission_s, found.costs().waking_seconds(1.0)) == (2e-4, 2e-3)
    assert found.profile == "calibrated with tiny on a test, 2026-11-22"


def test_the_default_place_is_one_per_shape_below_the_cache_directory() -> None:
    ours = default_path(SPEC, {"XDG_CACHE_HOME": "/somewhere"})
    assert ours.parent == Path("/somewhere/weft/calibrations")
    assert ours != default_path(OTHER, {"XDG_CACHE_HOME": "/somewhere"})
    assert default_path(SPEC, {}) == default_path(SPEC, {"XDG_CACHE_HOME": "not/absolute"})
    assert default_path(SPEC, {}).is_relative_to(Path.home() / ".cache")


def test_a_profile_is_found_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"not calibrated with tiny; run `weft calibrate tiny`"):
        find_profile(SPEC, "tiny")
    write_profile(profile(), default_path(SPEC))
    assert find_profile(SPEC, "tiny") == profile()


def test_another_model_is_refused_with_what_to_run(tmp_path: Path) -> None:
    write_profile(profile(), tmp_path / "tiny.json")
    with pytest.raises(
        ConfigurationError, match=r"other has num_parameters .*tiny.*run `weft calibrate other`"
    ):
        find_profile(OTHER, "other", tmp_path / "tiny.json")


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in profile().as_json().items() if key != name}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "no JSON"),
        ("[]", "no calibration of this version"),
        (json.dumps(_without("curve")), "KeyError: 'curve'"),
        (json.dumps(_without("model")), "'model'"),
        (json.dumps(profile().as_json() | {"version": 2}), "version 2, and 4 is read"),
        (json.dumps(profile().as_json() | {"extra": 1}), "extra"),
        (json.dumps(profile().as_json() | {"engine": {"step_s": -1.0}}), "-1.0 is no amount"),
        (json.dumps(profile().as_json() | {"engine": {"admission_s": None}}), "None is no amount"),
        (json.dumps(profile().as_json() | {"settlings": [{"step": 0.0}]}), "KeyError: 'token'"),
        (json.dumps(profile().as_json() | {"wakings_s": [[0.1, 0.0], [0.1, 0.0]]}), "do not rise"),
        (json.dumps(profile().as_json() | {"bandwidths": [1.0]}), "no calibration"),
    ],
)
def test_a_file_that_is_no_profile_is_refused(content: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match="run `weft calibrate` again") as refused:
        read_profile(file)
    assert problem in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_curve_that_falls_is_refused(tmp_path: Path) -> None:
    data = profile().as_json()
    data["curve"]["rows_s"] = [[4, 0.002], [1, 0.001]]
    (tmp_path / "profile.json").write_text(json.dumps(data))
    with pytest.raises(ConfigurationError, match="does not rise"):
        read_profile(tmp_path / "profile.json")


def test_places_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_profile(tmp_path / "missing.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="name another with --out"):
        write_profile(profile(), tmp_path / "file" / "profile.json")
