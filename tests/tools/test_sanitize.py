"""`make sanitize` puts its own module in the place of the one that is installed."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import sanitize
from weft.ops.cpu.library import levels

SCRIPT = """
import pathlib, sys
from tools import sanitize
from weft.ops.cpu.library import levels
sanitize.BUILD = pathlib.Path(sys.argv[1])
sanitize.pytest_configure()
from weft.ops.cpu.library import kernels, levels
print(kernels().__file__, *levels())
"""


def test_the_other_module_is_found_first(tmp_path: Path) -> None:
    found = Path(str(importlib.import_module(sanitize.MODULE).__file__))
    shutil.copy(found, tmp_path / found.name)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    told = subprocess.run(command, cwd=sanitize.ROOT, check=True, capture_output=True, text=True)
    assert told.stdout.split() == [str(tmp_path / found.name), *levels()]


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_libraries_are_the_compilers_own() -> None:
    assert all(Path(path).is_file() for path in sanitize.preloads().split())


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SystemExit, match="-m pip install cmake nanobind"):
        sanitize.build()
