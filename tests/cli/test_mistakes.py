"""Mistyped flags, values and verbs: one line that names the right one."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from weft.cli.main import main, run
from weft.cli.mistakes import NearChoice, nearest, split_advice
from weft.cli.model_options import BACKENDS, FORMATS
from weft.contracts.options import AUTO, ServingOptions
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps


def line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `weft` says about a mistake."""
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("weft: error: ")
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("weft: error: ").rstrip()


@pytest.mark.parametrize("verb", ["generate", "chat"])
@pytest.mark.parametrize(
    ("mistake", "meant"),
    [
        ("--max-model-length", "--max-model-len"),
        ("--max_num_seqs", "--max-num-seqs"),
        ("--kv-cache-memory-bytes", "--kv-cache-memory"),
        ("--no-prefix-cache", "--no-prefix-caching"),
        ("--max-new-tokens", "--max-tokens"),
        ("--temprature", "--temperature"),
        ("--Top-P", "--top-p"),
        ("--stop-token-ids", "--stop-token-id"),
    ],
)
def test_a_mistyped_flag(capsys: pytest.CaptureFixture[str], verb: str, mistake: str, meant: str) -> None:
    assert line(capsys, verb, mistake, "3") == f"there is no option {mistake}; did you mean {meant}?"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (
            ("--dtype", "float8"),
            "--dtype is 'float8'; did you mean 'float32'? choose one of 'auto', 'float32'",
        ),
        (("--dtype", "BFloat16"), "did you mean 'bfloat16'?"),
        (
            ("--backend", "refrence"),
            "did you mean 'reference'? choose one of 'auto', 'torch', 'reference', 'cpu'",
        ),
        (("--backend", "abacus"), "--backend is 'abacus'; choose one of 'auto', 'torch', 'reference', 'cpu'"),
        (("--xyzzy",), "there is no option --xyzzy; `weft generate --help` tells what there is"),
        (("--seed", "one"), "'one' is not a valid integer; `weft generate --help` tells what there is"),
        (("--seed",), "Option '--seed' requires an argument"),
        (("--threads", "0"), "0 is not in the range x>=1"),
        (("--tokenizer", "/nowhere"), "'/nowhere' does not exist"),
    ],
)
def test_a_mistyped_value(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], advice: str
) -> None:
    assert advice in line(capsys, "generate", *arguments)


def test_arguments_too_many_and_too_few(capsys: pytest.CaptureFixture[str]) -> None:
    assert "(too); `weft chat --help` tells what there is" in line(capsys, "chat", "model", "too")
    assert "Missing argument 'SOURCE'" in line(capsys, "convert")
    assert line(capsys, "genrate") == "no such command 'genrate'; did you mean 'generate'?"


def test_the_choices_are_those_that_there_are() -> None:
    assert BACKENDS.choices == (AUTO, TorchOps.name, ReferenceOps.name, CpuOps.name)
    assert FORMATS.choices[0] == AUTO
    for name in FORMATS.choices:
        ServingOptions(dtype=name)


def test_a_choice_takes_its_words_only() -> None:
    choice = NearChoice(["one", "two"])
    assert choice.convert("one", None, None) == "one"
    with pytest.raises(click.UsageError, match="did you mean 'two'"):
        choice.convert("tow", None, None)


def test_words_alike() -> None:
    assert nearest("TORHC", ["torch", "reference"]) == "torch"
    assert nearest("xyz", ["torch", "reference"]) == ""
    assert split_advice("this; that is wrong; do so") == ("this; that is wrong", "do so")
    assert split_advice("all is\nwrong") == ("all is wrong", "")


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main([])
    assert ending.value.code == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["generate", "chat", "env", "doctor"])
def test_help_needs_no_torch(verb: str) -> None:
    program = (
        f"import sys\nfrom weft.cli.main import main\ntry:\n    main([{verb!r}, '--help'])\n"
        "except SystemExit as ending:\n    assert not ending.code\n"
        "print([name for name in ('torch', 'tokenizers', 'huggingface_hub') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(f"Usage: weft {verb} ")
    assert ended.stdout.splitlines()[-1] == "[]"


def raising(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (click.Abort(), 130), (SystemExit(1), 1), (None, 0)]
)
def test_exit_codes(error: BaseException | None, code: int) -> None:
    command = click.Command("quiet", callback=lambda: None) if error is None else raising(error)
    with pytest.raises(SystemExit) as ending:
        run(command, [])
    assert ending.value.code == code


def test_output_that_cannot_be_written() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with full.open("w") as target:
        program = [sys.executable, "-m", "weft.cli.main", "--version"]
        ended = subprocess.run(program, stdout=target, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("weft: error: there is no space left to write to")
    assert ended.stderr.count("\n") == 1


def test_other_errors_of_the_system_keep_their_traceback() -> None:
    with pytest.raises(PermissionError):
        run(raising(PermissionError(13, "no")), [])
