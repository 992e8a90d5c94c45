"""`weft env`: true, complete, and printable on any machine."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from weft import __version__
from weft.cli import env, machine_facts
from weft.cli.machine_facts import has_nvidia_device, instruction_sets, package_versions
from weft.cli.main import command_line
from weft.executor.devices import Gpu, TorchFacts, torch_facts
from weft.executor.limits import available_processors


def told(*arguments: str) -> str:
    outcome = CliRunner().invoke(command_line, ["env", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("HF_TOKEN", "secret")
    text = told("--json")
    facts = json.loads(text)
    assert facts["version"] == __version__
    assert facts["cores_usable"] == available_processors()
    assert 0 < facts["memory_available_bytes"] <= facts["memory_total_bytes"]
    assert facts["torch_runtime"] == json.loads(json.dumps(_plain(torch_facts())))
    assert {"torch", "click", "safetensors"} <= set(facts["packages"])
    assert all(facts["packages"].values())
    assert facts["variables"]["OMP_NUM_THREADS"] == "3"
    assert "secret" not in text


def _plain(facts: TorchFacts) -> dict[str, object]:
    return {"version": facts.version, "cuda": facts.cuda, "kernels": facts.kernels, "gpus": list(facts.gpus)}


def test_table(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = (Gpu("Tesla", 80 << 30, "9.0"), Gpu("Volta", 16 << 30, "7.0"))
    monkeypatch.setattr(env, "find_torch", lambda: TorchFacts("2.9", "13.0", "AVX2", gpus))
    monkeypatch.setattr(env, "memory_limit_bytes", lambda: None)
    monkeypatch.setattr(env, "processor_quota", lambda: 1.5)
    rows = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in told().splitlines())
    assert rows["torch runtime cuda"] == "13.0"
    assert rows["torch runtime gpus 0 memory"] == "80.0 GiB"
    assert rows["torch runtime gpus 1 name"] == "Volta"
    assert rows["memory by group"] == "–"
    assert rows["cores by group"] == "1.5"
    assert rows["nvidia device"] in ("yes", "no")


def test_a_torch_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weft.executor.devices", None)
    found = machine_facts.find_torch()
    assert isinstance(found, str)
    assert "weft.executor.devices" in found
    assert found in told()


def test_instruction_sets_in_order(tmp_path: Path) -> None:
    assert instruction_sets(tmp_path) == ()
    (tmp_path / "proc").mkdir()
    file = tmp_path / "proc" / "cpuinfo"
    file.write_text("processor\t: 0\nflags\t\t: fpu avx512f avx2 amx_bf16 sse\nflags\t: avx2\n")
    assert instruction_sets(tmp_path) == ("avx2", "avx512f", "amx_bf16")
    file.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert instruction_sets(tmp_path) == ("asimd", "bf16")
    file.write_text("processor\t: 0\n")
    assert instruction_sets(tmp_path) == ()


def test_nvidia_devices(tmp_path: Path) -> None:
    assert not has_nvidia_device(tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    assert has_nvidia_device(tmp_path)


def test_packages_are_those_that_weft_requires(monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = ["click>=8.1", "No-Such_Package<3", "pytest>=8; extra == 'dev'", "torch"]
    monkeypatch.setattr(metadata, "requires", lambda _: requirements)
    found = package_versions()
    assert list(found) == ["No-Such_Package", "click", "torch"]
    assert found["No-Such_Package"] is None
    assert found["click"]


def test_it_ends_where_nothing_is_known_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: str) -> None:
        raise metadata.PackageNotFoundError("weft")

    monkeypatch.setattr(metadata, "requires", unknown)
    assert package_versions() == {}


def test_it_runs_in_a_process_of_its_own() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "weft.cli.main", "env"], capture_output=True, text=True, check=True
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith("version ")
