"""The compiled copy: what is in it, and that it writes the same record."""

import os
import subprocess
import sys
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
    assert {"engine/engine.py", "simulator/coasting_driver.py"} <= set(names)
    assert not {"engine/client.py", "simulator/virtual_time.py", "engine/__init__.py"} & set(names)


@pytest.mark.nightly
def test_the_compiled_copy_writes_the_same_record(tmp_path: Path) -> None:
    compile_copy(tmp_path / "compiled")
    compiled, plain = run(tmp_path / "compiled"), run(ROOT)
    assert (plain[0], compiled[0]) == ("True", "False")
    assert plain[1] == compiled[1]
