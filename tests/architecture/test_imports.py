"""Rooms import downwards only, and torch stays in its own rooms."""

import ast
import os
import subprocess
import sys

import pytest

from tests.architecture.rooms import ROOMS, TORCH_ROOMS, may_import, room_of
from tests.architecture.source import ROOT, Finding, SourceFile, imported_names, report, source_files

ADD_TO_TABLE = "add it to ROWS in tests/architecture/rooms.py, in the row where its dependencies allow it"


def room_findings(file: SourceFile) -> list[Finding]:
    """Imports in this file that the table of rooms forbids."""
    if file.room not in ROOMS:
        return [Finding(1, f"room {file.room!r} is unknown: {ADD_TO_TABLE}")]
    names = imported_names(ast.parse(file.text))
    verdicts = ((line, _import_problem(file.room, name)) for line, name in names)
    return [Finding(line, problem) for line, problem in verdicts if problem is not None]


def _import_problem(importer: str, name: str) -> str | None:
    if name.startswith("."):
        return "a relative import hides the room it reaches; write the import from weft on"
    if name.split(".")[0] != "weft":
        return None
    imported = _imported_room(name)
    if imported not in ROOMS:
        return f"{name} is in the unknown room {imported!r}: {ADD_TO_TABLE}"
    if not may_import(importer, imported):
        return f"{importer} may not import {imported}: dependencies point downwards, in a row to the right"
    return None


def _imported_room(name: str) -> str:
    """`from weft import X` takes the room X where there is one, else something of the package itself."""
    room = room_of(name)
    is_attribute = name.count(".") == 1 and room not in ROOMS and not _exists_below_weft(room)
    return "weft" if is_attribute else room


def _exists_below_weft(name: str) -> bool:
    return (ROOT / "weft" / name).is_dir() or (ROOT / "weft" / f"{name}.py").is_file()


def torch_findings(file: SourceFile) -> list[Finding]:
    """Imports of torch in a room that must start without it."""
    if file.room in TORCH_ROOMS:
        return []
    names = imported_names(ast.parse(file.text))
    message = f"only {', '.join(TORCH_ROOMS)} may import torch; {file.room} must start in well under a second"
    return [Finding(line, message) for line, name in names if name.split(".")[0] == "torch"]


def loaded_modules(code: str) -> list[str]:
    """Run code in a fresh process and list the modules that are loaded when it ends, however it ends."""
    listing = "print('\\n' + ' '.join(sys.modules))"
    wrapped = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n{listing}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(
        [sys.executable, "-c", wrapped], capture_output=True, text=True, env=environment, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout.splitlines()[-1].split()


def snippet(text: str, module: str = "weft.policies.example") -> SourceFile:
    return SourceFile("example.py", module, text)


WEFT_FILES = source_files("weft")


def test_there_is_something_to_check() -> None:
    assert "weft" in [file.module for file in WEFT_FILES]
    assert {file.room for file in WEFT_FILES} >= {"weft", "cli", "contracts"}


@pytest.mark.parametrize("file", WEFT_FILES, ids=lambda file: file.path)
def test_imports_follow_the_table_of_rooms(file: SourceFile) -> None:
    assert report(file, room_findings(file)) == []


@pytest.mark.parametrize("file", WEFT_FILES, ids=lambda file: file.path)
def test_torch_is_imported_only_in_its_rooms(file: SourceFile) -> None:
    assert report(file, torch_findings(file)) == []


def test_rooms_without_torch_load_without_it() -> None:
    names = [file.module for file in WEFT_FILES if file.room not in TORCH_ROOMS]
    importable = [name for name in names if not name.endswith("__main__")]
    modules = loaded_modules(f"import {', '.join(importable)}")
    assert set(importable) <= set(modules)
    assert "torch" not in modules


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["bench", "--help"]], ids=" ".join)
def test_help_imports_nothing_but_click(arguments: list[str]) -> None:
    modules = loaded_modules(f"from weft.cli.main import main; main({arguments!r})")
    assert "click" in modules
    assert "torch" not in modules
    ours = sorted(name for name in modules if name.split(".")[0] == "weft")
    assert ours == ["weft", "weft.cli", "weft.cli.main", "weft.contracts", "weft.contracts.version"]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("weft.policies.example", "import weft.engine.scheduler"),
        ("weft.policies.example", "from weft import engine"),
        ("weft.policies.example", "from weft.engine import scheduler"),
        ("weft.policies.example", "def f():\n    from weft.engine.scheduler import Scheduler"),
        ("weft.policies.example", "import importlib\nimportlib.import_module('weft.engine.scheduler')"),
        ("weft.policies.example", "from weft import __version__"),
        ("weft.hardware.example", "from weft.costs import roofline"),
        ("weft.contracts.example", "from weft.observation import log"),
        ("weft", "import weft.cli.main"),
    ],
)
def test_an_upward_import_is_found(module: str, text: str) -> None:
    (finding,) = room_findings(snippet(text, module))
    assert "may not import" in finding.message
    assert finding.line == len(text.splitlines())


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("weft.policies.example", "from weft.contracts.steps import Step"),
        ("weft.policies.example", "from weft.policies import order"),
        ("weft.policies.example", "import asyncio, click"),
        ("weft.costs.example", "from weft import hardware"),
        ("weft.cli.example", "from weft import __version__"),
        ("weft.llm", "from weft.simulator.loop import run"),
    ],
)
def test_a_downward_import_passes(module: str, text: str) -> None:
    assert room_findings(snippet(text, module)) == []


def test_relative_imports_and_unknown_rooms_are_found() -> None:
    (relative,) = room_findings(snippet("from .order import Order"))
    assert "relative import" in relative.message
    (unknown_import,) = room_findings(snippet("import weft.cellar.wine"))
    (unknown_file,) = room_findings(snippet("", "weft.cellar.wine"))
    assert "rooms.py" in unknown_import.message
    assert "rooms.py" in unknown_file.message


@pytest.mark.parametrize("text", ["import torch", "from torch import nn", "import torch.nn as nn"])
def test_torch_outside_its_rooms_is_found(text: str) -> None:
    assert len(torch_findings(snippet(text))) == 1
    assert torch_findings(snippet(text, "weft.executor.example")) == []


def test_a_fresh_process_shows_what_it_loads() -> None:
    assert "weft.cli.main" in loaded_modules("import weft.cli.main")
    assert "colorsys" in loaded_modules("import colorsys; sys.exit(3)")
