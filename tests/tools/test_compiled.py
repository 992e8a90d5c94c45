"""The compiled copy: what is in it, and that it writes the same record."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tools.compiled import ROOT, compile_copy, modules

DIGEST = """
import hashlib
from weft import simulate
from weft.engine import engine
digest = hashlib.sha256()
def watch(index, log):
    log.subscribe(lambda event: digest.update(f"{index} {event}".encode()))
for workload, rate in (("mooncake-conversation", 6.0), ("azure-conv", 60.0), ("azure-conv", 1.0)):
    simulate("meta-llama/Llama-3.1-8B", workload, rate=rate, requests=150, replicas=2, hardware="h100", watch=watch)
print(engine.__file__.endswith(".py"), digest.hexdigest())
"""


def run(package: Path) -> list[str]:
    environment = os.environ | {"PYTHONPATH": str(package)}
    command = [sys.executable, "-c", DIGEST]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, cwd=package)
    return told.stdout.split()


def test_every_pattern_names_modules_and_none_that_mypyc_cannot_compile() -> None:
    names = [path.relative_to(ROOT / "weft").as_posix() for path in modules(ROOT / "weft")]
    assert len(names) == len(dict.fromkeys(names)) > 50
    assert {"engine/engine.py", "simulator/coasting_driver.py", "cluster/router.py"} <= set(names)
    assert not {"engine/client.py", "simulator/virtual_time.py", "engine/__init__.py"} & set(names)


@pytest.mark.nightly
def test_the_compiled_copy_writes_the_same_record(tmp_path: Path) -> None:
    compile_copy(tmp_path / "compiled")
    compiled, plain = run(tmp_path / "compiled"), run(ROOT)
    assert (plain[0], compiled[0]) == ("True", "False")
    assert plain[1] == compiled[1]


def classes(name: str) -> list[type]:
    return [
        each
        for each in vars(import_module(name)).values()
        if isinstance(each, type) and each.__module__ == name
    ]


def test_what_is_compiled_has_one_compiled_base_and_no_interpreted_heirs_that_a_simulation_needs() -> None:
    """Both fail only when the copy is used: the first as it is imported, the other as an object is made."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules(ROOT / "weft")]
    laid_out = {each for name in names for each in classes(name) if not getattr(each, "_is_protocol", False)}
    beside = [f"weft.simulator.{path.stem}" for path in (ROOT / "weft" / "simulator").glob("*.py")]
    for each in [each for name in dict.fromkeys((*names, *beside)) for each in classes(name)]:
        bases = [base for base in each.__bases__ if base in laid_out]
        assert len(bases) <= 1, each
        assert each in laid_out or not bases or issubclass(each, Exception), each
