"""A peer's process is found, told what to do, and ended; what goes wrong has a reason."""

import json
import math
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from weft.measurement.bench_model import RANDOM_MODEL
from weft.measurement.peers import driver_process
from weft.measurement.peers.driver_process import DriverProcess, PeerFailed, Place, last_words
from weft.measurement.peers.model import random_model
from weft.measurement.peers.peer import PEERS, Peer
from weft.model_specs.families import spec_from_config
from weft.weights.random_llama import llama_shapes

FAKE = """
import time

def convert(model, target, kind):
    print("converting")
    if kind == "broken":
        raise ValueError("no such format")
    open(target, "w").write(model)

class Driver:
    def __init__(self, files, kind, threads):
        print("noise")
        if kind == "missing":
            raise ImportError("no module")
        self._files = files
    def describe(self):
        return {"fake": "1"}
    def steps(self, count):
        return [0.5] * count
    def prefill(self, tokens):
        time.sleep(60)
    def prepare(self, rows):
        raise SystemExit(3)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    drivers = tmp_path / "drivers"
    drivers.mkdir()
    (drivers / "loop.py").write_text(driver_process.LOOP.read_text())
    (drivers / "with_fake.py").write_text(FAKE)
    monkeypatch.setattr(driver_process, "LOOP", drivers / "loop.py")
    return Place(tmp_path / "root", Peer("fake", None, ("q4",)))


def started(place: Place, kind: str = "q4", timeout_s: float = 30.0) -> DriverProcess:
    place.log.parent.mkdir(exist_ok=True)
    return DriverProcess(place, kind, Path("files"), 1, timeout_s, {})


def test_a_driver_answers_whatever_its_library_prints(place: Place) -> None:
    with started(place) as process:
        assert process.versions == {"fake": "1"}
        assert process.call("steps", 3) == [0.5] * 3
    assert "noise" in place.log.read_text()


def test_what_goes_wrong_has_a_reason(place: Place) -> None:
    with pytest.raises(PeerFailed, match="ImportError: no module"):
        started(place, "missing")
    with started(place) as process, pytest.raises(PeerFailed, match="ended: "):
        process.call("prepare", [[1]])
    with started(place) as process:
        process._timeout_s = 0.2
        with pytest.raises(PeerFailed, match="did not answer for 0 s"):
            process.call("prefill", [1])


def test_files_are_made_once(place: Place) -> None:
    place.log.parent.mkdir()
    files = place.convert(Path("model"), "q4", 30.0)
    assert files.read_text() == "model"
    files.write_text("kept")
    assert place.convert(Path("model"), "q4", 30.0).read_text() == "kept"
    with pytest.raises(PeerFailed, match="ValueError: no such format"):
        place.convert(Path("model"), "broken", 30.0)
    with pytest.raises(PeerFailed, match="took longer than 0 s"):
        place.run([sys.executable, "-c", "import time; time.sleep(60)"], 0.1)


def test_an_environment_is_made_once(tmp_path: Path) -> None:
    peer = Peer("other", ("one", "two"), ("q4",))
    place = Place(tmp_path, peer)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "installed").write_text("one two")
    place.install(1.0)
    assert place.python == str(tmp_path / "other" / "bin" / "python")


def test_last_words_are_short(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("one\nError: it broke\n  at line 3\n\n")
    assert last_words(tmp_path / "log") == "Error: it broke"
    assert last_words(tmp_path / "none") == "it said nothing"


def test_every_peer_has_a_driver() -> None:
    for peer in PEERS.values():
        assert (driver_process.LOOP.parent / f"with_{peer.driver}.py").is_file()


def test_the_model_is_a_model(tmp_path: Path) -> None:
    config = {
        **RANDOM_MODEL,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "vocab_size": 320,
    }
    directory = random_model(tmp_path, config)
    before = (directory / "model.safetensors").stat().st_mtime_ns
    assert random_model(tmp_path, config) == directory
    assert (directory / "model.safetensors").stat().st_mtime_ns == before
    from weft.executor.inspection import inspect_checkpoint
    from weft.text.loading import load_tokenizer

    assert inspect_checkpoint(directory).num_parameters > 0
    assert load_tokenizer(directory).encode("t300 t301")[-2:] == [300, 301]
    assert json.loads((directory / "config.json").read_text()) == config
    spec = spec_from_config(RANDOM_MODEL, "the model")
    shapes = llama_shapes(RANDOM_MODEL).values()
    assert sum(math.prod(shape) for shape in shapes) == spec.num_parameters


def test_packages_that_others_bring_along_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = commands_of(monkeypatch)
    place = Place(tmp_path, Peer("fake", ("a", "b"), ("q4",), unwanted=("c",)))
    place.environment.mkdir()
    place.install(1.0)
    assert [command[-2:] for command, _ in commands[1:]] == [["a", "b"], ["-y", "c"]]
    place.install(1.0)
    assert len(commands) == 3


def test_other_build_settings_make_the_environment_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = commands_of(monkeypatch)
    for settings, times in ((("-DA=-x -y",), 2), (("-DA=-x -y",), 2), (("-DB=1",), 4)):
        place = Place(tmp_path, Peer("fake", ("a",), ("q4",), build_settings=settings))
        place.environment.mkdir(exist_ok=True)
        place.install(1.0)
        assert len(commands) == times
    told = [shlex.split(variables["CMAKE_ARGS"]) for _, variables in commands if variables]
    assert told == [["-DA=-x -y"], ["-DB=1"]]


def commands_of(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """What would be run, and with which environment variables; nothing is."""
    commands: list[tuple[list[str], dict[str, str]]] = []

    def note(_: Place, command: list[str], __: float, more: Mapping[str, str] | None = None) -> None:
        commands.append((command, dict(more or {})))

    monkeypatch.setattr(Place, "run", note)
    return commands
