"""`weft doctor`: each check on a machine that has its fault and on one that has not."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.llm.tiny_model import make_model
from weft.cli import doctor, doctor_checks
from weft.cli.doctor import can_write, check_model, gather, is_port_free
from weft.cli.doctor_checks import CHECKS, GIBIBYTE, Facts, Finding, Level
from weft.cli.main import command_line
from weft.executor import serving_plan
from weft.executor.devices import Gpu, TorchFacts
from weft.ops.cpu.library import levels

TORCH = TorchFacts("2.9", None, "AVX512", ())
CUDA = replace(TORCH, cuda="13.0")
GPU = replace(CUDA, gpus=(Gpu("Tesla", 80 * GIBIBYTE, "9.0"),))
SOUND = Facts(
    python=(3, 12, 1),
    torch=TORCH,
    kernel_level="avx512_bf16",
    has_numpy=True,
    memory_bytes=8 * GIBIBYTE,
    cores=4,
    environment={"OMP_NUM_THREADS": "4"},
    instruction_sets=("avx2", "avx512f", "avx512_bf16"),
    has_nvidia_device=False,
    port=8000,
    is_port_free=True,
    cache="/cache",
    is_cache_writable=True,
)


def findings(**changes: Any) -> list[Finding]:
    return [check(replace(SOUND, **changes)) for check in CHECKS]


def test_a_sound_machine_has_no_finding() -> None:
    assert [finding.level for finding in findings()] == [Level.OK] * len(CHECKS)
    assert [finding.fix for finding in findings()] == [""] * len(CHECKS)


@pytest.mark.parametrize(
    ("changes", "level", "text", "fix"),
    [
        ({"python": (3, 10, 9)}, Level.PROBLEM, "Python 3.10.9 is too old", "install Python 3.11 or newer"),
        (
            {"torch": "OSError: libcudart"},
            Level.PROBLEM,
            "cannot be imported (OSError: libcudart)",
            "pip install",
        ),
        ({"has_numpy": False}, Level.ADVICE, "numpy is missing", "pip install numpy"),
        ({"memory_bytes": GIBIBYTE // 2}, Level.PROBLEM, "0.5 GiB of memory free: too little", "end other"),
        ({"environment": {"OMP_NUM_THREADS": "8"}}, Level.ADVICE, "is 8, with 4 usable cores", "unset OMP"),
        ({"environment": {"MKL_NUM_THREADS": "5"}}, Level.ADVICE, "MKL_NUM_THREADS is 5", "unset MKL"),
        ({"instruction_sets": ("avx",)}, Level.ADVICE, "has no AVX2", "use another machine"),
        ({"kernel_level": ""}, Level.ADVICE, "backend cpu was not compiled", "install g++ or clang"),
        ({"has_nvidia_device": True}, Level.PROBLEM, "torch cannot use it", "a torch that is built for CUDA"),
        (
            {"has_nvidia_device": True, "torch": CUDA},
            Level.PROBLEM,
            "torch cannot use it",
            "update the NVIDIA",
        ),
        (
            {"has_nvidia_device": True, "torch": CUDA, "environment": {"CUDA_VISIBLE_DEVICES": ""}},
            Level.ADVICE,
            "CUDA_VISIBLE_DEVICES hides the GPU",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        ({"is_port_free": False}, Level.ADVICE, "port 8000 is in use", "weft serve --port 8001"),
        ({"is_cache_writable": False}, Level.ADVICE, "/cache cannot be written to", "set HF_HOME"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_each_fault_is_one_finding_with_one_fix(
    changes: dict[str, Any], level: Level, text: str, fix: str
) -> None:
    (finding,) = [each for each in findings(**changes) if each.level is not Level.OK]
    assert finding.level is level
    assert text in finding.text
    assert fix in finding.fix


@pytest.mark.parametrize("found", [("avx2", "avx512f"), ("asimd",)])
def test_torch_needs_instructions_for_bfloat16(found: tuple[str, ...]) -> None:
    advice = [each for each in findings(kernel_level="", instruction_sets=found) if each.fix]
    assert [each.level for each in advice] == [Level.ADVICE] * 2
    assert "no instructions for bfloat16" in advice[1].text
    assert "--dtype float32" in advice[1].fix


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"torch": GPU, "has_nvidia_device": True}, "GPU: Tesla (80 GiB)"),
        ({"torch": GPU, "instruction_sets": ("avx2",)}, "bfloat16: by the GPU"),
        ({"instruction_sets": ("avx2", "avx512f")}, "bfloat16: by way of float32"),
        ({"instruction_sets": ()}, "instruction sets: the system does not tell"),
        ({"instruction_sets": ("asimd", "bf16")}, "bfloat16: bf16"),
        ({"environment": {"OMP_NUM_THREADS": "4,2"}}, "4 usable cores"),
        ({"environment": {}, "cores": 1}, "1 usable core"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_what_is_no_fault(changes: dict[str, Any], text: str) -> None:
    assert [each.level for each in findings(**changes)] == [Level.OK] * len(CHECKS)
    assert text in [each.text for each in findings(**changes)]


def test_the_facts_of_this_machine() -> None:
    facts = gather()
    assert not isinstance(facts.torch, str)
    assert facts.kernel_level in levels()
    assert facts.cores >= 1
    assert facts.port == 8000


def test_a_port_in_use() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_port_free(port)
    assert is_port_free(port)


def test_where_files_can_be_made(tmp_path: Path) -> None:
    assert can_write(tmp_path)
    assert can_write(tmp_path / "not" / "there" / "yet")
    (tmp_path / "file").touch()
    assert not can_write(tmp_path / "file")
    assert not can_write(tmp_path / "file" / "below")


class TestModel:
    """A model that is named is read as far as its headers."""

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return make_model(tmp_path / "tiny")

    def test_a_sound_one(self, model: Path) -> None:
        found = list(check_model(str(model)))
        assert [finding.level for finding in found] == [Level.OK] * 3
        assert "all weights are there, 16,720 parameters" in found[0].text
        assert "it fits into memory" in found[1].text

    @pytest.mark.parametrize(
        ("damage", "text", "fix"),
        [
            (lambda model: (model / "config.json").unlink(), "config.json cannot be read", ""),
            (
                lambda model: (model / "model.safetensors").unlink(),
                "has neither model.safetensors nor",
                "download",
            ),
            (
                lambda model: (model / "model.safetensors").write_bytes(
                    (model / "model.safetensors").read_bytes()[:-8]
                ),
                "is truncated or damaged",
                "download or copy it again",
            ),
            (lambda model: (model / "tokenizer.json").write_text("{"), "tokenizer.json", ""),
        ],
        ids=["no config", "no weights", "truncated", "broken tokenizer"],
    )
    def test_a_broken_one(self, model: Path, damage: Callable[[Path], None], text: str, fix: str) -> None:
        damage(model)
        *_, last = check_model(str(model))
        assert last.level is Level.PROBLEM
        assert text in last.text
        assert fix in last.fix
        assert last.fix != ""

    def test_one_without_tokenizer_or_template(self, model: Path) -> None:
        (model / "tokenizer_config.json").unlink()
        *_, last = check_model(str(model))
        assert (last.level, "no chat template" in last.text) == (Level.ADVICE, True)
        (model / "tokenizer.json").unlink()
        *_, last = check_model(str(model))
        assert (last.level, "no tokenizer" in last.text) == (Level.ADVICE, True)

    def test_one_that_is_too_large(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(serving_plan, "free_bytes", lambda _: 1000)
        *_, last = check_model(str(model))
        assert last.level is Level.PROBLEM
        assert "weights need" in last.text

    def test_one_that_is_none(self) -> None:
        (finding,) = check_model("no-such-model")
        assert finding.level is Level.PROBLEM
        assert "there is no model 'no-such-model'" in finding.text


def told(monkeypatch: pytest.MonkeyPatch, facts: Facts, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(doctor, "gather", lambda: facts)
    outcome = CliRunner().invoke(command_line, ["doctor", *arguments])
    return outcome.exit_code, outcome.stdout


def test_the_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert SOUND.port == doctor.DEFAULT_PORT
    code, text = told(monkeypatch, SOUND)
    assert (code, len(text.splitlines())) == (0, len(CHECKS))
    code, text = told(monkeypatch, replace(SOUND, is_port_free=False))
    assert code == 0
    assert (
        "advice   port 8000 is in use\n         → weft serve --port 8001, or end what listens there\n" in text
    )
    code, text = told(monkeypatch, replace(SOUND, memory_bytes=0))
    assert code == 1
    assert "problem  0.0 GiB of memory free: too little for torch and a small model\n         → end" in text
    code, text = told(monkeypatch, SOUND, str(tmp_path))
    assert code == 1
    assert "config.json cannot be read" in text
    code, text = told(monkeypatch, replace(SOUND, torch="ImportError: x"), str(tmp_path))
    assert (code, "config.json" in text) == (1, False)


def test_levels_have_room_in_their_column() -> None:
    assert max(len(level.value) for level in doctor_checks.Level) == 7
