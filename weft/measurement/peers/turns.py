"""Peers in turns: A B A B, with what the machine can read and multiply measured beside every turn.

A shape is one prompt, or steps of so many sequences at once. All entrants begin it, then each takes its turn, several
times; figures are medians over turns, ratios of the medians.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple, Protocol

from weft.measurement.peers.driver_process import DriverProcess, PeerFailed, Place
from weft.measurement.peers.model import FIRST_TOKEN
from weft.measurement.peers.peer import Entrant

PROBED_BYTES = 1 << 28
PEAK_SECONDS = 0.03


class Shape(NamedTuple):
    """`prompt_tokens` of each of `rows` sequences; `is_prefill`: the prompt itself is timed, else steps after it."""

    rows: int
    prompt_tokens: int
    is_prefill: bool

    @property
    def name(self) -> str:
        """prefill 512, decode b8."""
        return f"prefill {self.prompt_tokens}" if self.is_prefill else f"decode b{self.rows}"


class Turn(NamedTuple):
    """One entrant's speed, and just before it bytes read and products of bytes per second, of the whole machine."""

    tokens_per_s: float
    bytes_per_s: float
    operations_per_s: float


class Timed(Protocol):
    """What can be measured; see `drivers/loop.py`."""

    def call(self, method: str, *arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """How often. `steps`: of one turn. `timeout_s`: of one answer; `setup_timeout_s`: of installing or converting."""

    turns: int = 5
    steps: int = 8
    seed: int = 0
    timeout_s: float = 300.0
    setup_timeout_s: float = 1800.0


Probe = Callable[[], tuple[float, float]]
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Turns by shape and entrant, both by name; versions of each entrant; why others are missing."""

    turns: Mapping[str, Mapping[str, Sequence[Turn]]]
    versions: Mapping[str, Mapping[str, str]]
    failures: Mapping[str, str]


def machine_probe(threads: int) -> Probe:
    """Bytes read and products of bytes per second, by the kernels of backend `cpu`."""
    from weft.ops.cpu.products import Products

    engine = Products(threads).engine
    return lambda: (engine.read_bandwidth(PROBED_BYTES), engine.peak("int8", PEAK_SECONDS))


def measure_peers(
    root: Path,
    model: Path,
    wanted: Sequence[Entrant],
    shapes: Iterable[Shape],
    settings: TurnSettings,
    threads: int,
    probe: Probe,
    tell: Tell,
    environment: Mapping[str, str],
) -> Outcome:
    """Install, convert and load every entrant, then measure all shapes. Who fails is left out and named."""
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        loaded: dict[str, DriverProcess] = {}
        for entrant in wanted:
            tell(f"{entrant.name}: files and loading")
            try:
                place = Place(root, entrant.peer)
                place.install(settings.setup_timeout_s)
                files = place.convert(model, entrant.kind, settings.setup_timeout_s)
                process = DriverProcess(place, entrant.kind, files, threads, settings.timeout_s, environment)
            except PeerFailed as error:
                failures[entrant.name] = str(error)
            else:
                loaded[entrant.name] = stack.enter_context(process)
        turns = take_turns(loaded, shapes, settings, probe, tell, failures)
        versions = {name: dict(process.versions) for name, process in loaded.items()}
    return Outcome(turns, versions, failures)


def take_turns(
    loaded: Mapping[str, Timed],
    shapes: Iterable[Shape],
    settings: TurnSettings,
    probe: Probe,
    tell: Tell,
    failures: dict[str, str],
) -> dict[str, dict[str, list[Turn]]]:
    """All shapes, one after the other. Who fails in one is out of the others, too, and in `failures`."""
    draw = Random(settings.seed)
    found: dict[str, dict[str, list[Turn]]] = {}
    for shape in shapes:
        found[shape.name] = {name: [] for name in loaded if name not in failures}
        rows = [
            [draw.randrange(FIRST_TOKEN, 30_000) for _ in range(shape.prompt_tokens)]
            for _ in range(shape.rows)
        ]
        for number in range(-1, settings.turns):
            tell(f"{shape.name}: {'warming up' if number < 0 else f'turn {number + 1}'}")
            for name, timed in loaded.items():
                if name in failures:
                    continue
                try:
                    turn = _turn(timed, shape, rows, settings, probe, draw, is_first=number < 0)
                except PeerFailed as error:
                    failures[name] = f"{shape.name}: {error}"
                    continue
                if number >= 0:
                    found[shape.name][name].append(turn)
    return found


def _turn(
    timed: Timed,
    shape: Shape,
    rows: list[list[int]],
    settings: TurnSettings,
    probe: Probe,
    draw: Random,
    *,
    is_first: bool,
) -> Turn:
    if is_first and not shape.is_prefill:
        timed.call("prepare", rows)
    probed = probe()
    if shape.is_prefill:
        # Other tokens every time: a cache of prefixes must not help.
        prompt = [draw.randrange(FIRST_TOKEN, 30_000) for _ in range(shape.prompt_tokens)]
        return Turn(shape.prompt_tokens / timed.call("prefill", prompt), *probed)
    return Turn(shape.rows / median(timed.call("steps", settings.steps)), *probed)
