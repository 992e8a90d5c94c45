"""What was measured of one model on one machine, as a file.

A profile is a JSON object; `weft calibrate` writes it and `--hardware local` reads it. It holds for the model's shape,
whatever its weights, and for the machine that it was measured on.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.places import cache_directory
from weft.costs.calibrated import CalibratedCosts, EngineWork, Settling, Wakings
from weft.costs.step_curve import Layers, Line, Slopes, StepCurve
from weft.hardware.cluster import Link
from weft.model_specs.model_spec import ModelSpec

VERSION = 4
AMOUNTS = (
    "swap_start_s",
    "swap_block_s",
    "relative_error",
)
AGAIN = "run `weft calibrate` again"


@dataclass(frozen=True, slots=True)
class LocalProfile:
    """A calibration.

    `model`: its name as it was given, of a `shape`. `machine`: see `describe_machine`; `serving`: backend, device,
    number format and threads. `measured_at`: in UTC, ISO 8601. `curve`: of steps made by hand. `engine`, `wakings_s`,
    `settlings`: see `CalibratedCosts`. `swap_start_s`, `swap_block_s`: of a transfer to host memory or back, and of
    each block in it; a block has `block_tokens` tokens of all layers. `memory_bytes`: that weights and cache could
    take. `median_error`, `relative_error`: what one half and four fifths of `num_held_out` kinds of steps, which the
    curve has not seen, were off at most, as a share of what they took. `bandwidths`: bytes per second of a copy in
    memory, before and after.
    """

    model: str
    shape: Mapping[str, Any]
    machine: Mapping[str, Any]
    serving: Mapping[str, Any]
    measured_at: str
    curve: StepCurve
    engine: EngineWork
    wakings_s: Wakings
    settlings: tuple[Settling, ...]
    swap_start_s: float
    swap_block_s: float
    block_tokens: int
    memory_bytes: int
    median_error: float
    relative_error: float
    num_held_out: int
    bandwidths: tuple[float, float]

    @property
    def profile(self) -> str:
        """As predictions name it, and as a `Roofline` has it."""
        return f"calibrated with {self.model} on {self.machine.get('processor')}, {self.measured_at[:10]}"

    def costs(self) -> CalibratedCosts:
        """For a simulated executor."""
        return CalibratedCosts(self.curve, self.engine, self.wakings_s, self.settlings)

    @property
    def step_error(self) -> float:
        """`relative_error`, which is of steps."""
        return self.relative_error

    def host_link(self, block_bytes: int) -> Link:
        """To host memory and back, for blocks of so many bytes in all."""
        source = f"{self.profile}: transfers of a few sizes"
        figures = {"bandwidth": block_bytes / self.swap_block_s, "latency_s": self.swap_start_s}
        return Link("host memory", **figures, sources=dict.fromkeys(figures, source))

    def check_model(self, spec: ModelSpec, model: str) -> None:
        """Raises `ConfigurationError` for a model of another shape."""
        wanted, known = shape_of(spec), dict(self.shape)
        for name, value in wanted.items():
            if known.get(name) != value:
                raise ConfigurationError(
                    f"{model} has {name} {value} and this machine was calibrated with {self.model}, which has "
                    f"{known.get(name)}; run `weft calibrate {model}`"
                )

    def as_json(self) -> dict[str, Any]:
        """What the file holds."""
        written = {
            "curve": _curve_json(self.curve),
            "engine": self.engine._asdict(),
            "settlings": [each._asdict() for each in self.settlings],
        }
        return {"version": VERSION} | asdict(self) | written


def shape_of(spec: ModelSpec) -> dict[str, Any]:
    """What the duration of a model's steps follows from, beside formats and backend."""
    return {
        "num_parameters": spec.num_parameters,
        "hidden_size": spec.hidden_size,
        "intermediate_size": spec.intermediate_size,
        "num_heads": spec.num_heads,
        "num_kv_heads": spec.num_kv_heads,
        "head_dim": spec.head_dim,
        "vocab_size": spec.vocab_size,
        "layers": [[len(group.layers), group.window_tokens] for group in spec.layer_groups],
        "experts": None if spec.experts is None else spec.experts.num_experts,
    }


def default_path(spec: ModelSpec, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the profile of a model lies: below the user's cache directory."""
    digest = sha256(json.dumps(shape_of(spec), sort_keys=True).encode()).hexdigest()
    return cache_directory(environment) / "calibrations" / f"{digest[:16]}.json"


def write_profile(profile: LocalProfile, path: Path) -> None:
    """Makes directories that are missing. Raises `ConfigurationError` where the file cannot be written."""
    text = json.dumps(profile.as_json(), indent=2, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}); name another with --out"
        ) from error


def read_profile(path: Path) -> LocalProfile:
    """Raises `ConfigurationError` for a file that is missing or is no profile."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); {AGAIN}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is no JSON ({error}); {AGAIN}") from error
    try:
        return _profile(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ConfigurationError(
            f"{path} is no calibration of this version ({type(error).__name__}: {error}); {AGAIN}"
        ) from error


def find_profile(spec: ModelSpec, model: str, path: Path | None = None) -> LocalProfile:
    """Of a file, or of the default place. Raises `ConfigurationError` where there is none for this model."""
    if path is None and not default_path(spec).is_file():
        raise ConfigurationError(
            f"this machine was not calibrated with {model}; run `weft calibrate {model}` (two minutes)"
        )
    profile = read_profile(default_path(spec) if path is None else path)
    profile.check_model(spec, model)
    return profile


def _curve_json(curve: StepCurve) -> dict[str, Any]:
    return {
        "layers": [list(group) for group in curve.layers],
        "row_tile": curve.row_tile,
        "pads_decodes": curve.pads_decodes,
        "rows_s": [list(knot) for knot in curve.rows_s],
        "seen_s": [list(knot) for knot in curve.seen_s],
        "beside_s": [list(knot) for knot in curve.beside_s],
        "slopes": curve.slopes._asdict(),
    }


def _profile(data: Mapping[str, Any]) -> LocalProfile:
    fields = dict(data)
    if fields.pop("version") != VERSION:
        raise ValueError(f"version {data['version']}, and {VERSION} is read")
    before, after = map(_amount, fields["bandwidths"])
    for name in AMOUNTS:
        fields[name] = _amount(fields[name])
    read = {
        "curve": _curve(fields["curve"]),
        "engine": EngineWork(**{name: _amount(value) for name, value in fields["engine"].items()}),
        "wakings_s": _wakings(fields["wakings_s"]),
        "settlings": tuple(_settling(each) for each in fields["settlings"]),
        "bandwidths": (before, after),
    }
    return LocalProfile(**fields | read)


def _settling(data: Mapping[str, Any]) -> Settling:
    step, token, sequence_token = (_amount(data[name]) for name in Settling._fields[:3])
    return Settling(step, token, sequence_token, int(data["most_tokens"]))


def _wakings(data: Sequence[Sequence[Any]]) -> Wakings:
    wakings_s = tuple((_amount(idle_s), _amount(more_s)) for idle_s, more_s in data)
    if any(long_s <= short_s for (short_s, _), (long_s, _) in pairwise(wakings_s)):
        raise ValueError("the idle times do not rise")
    return wakings_s


def _curve(data: Mapping[str, Any]) -> StepCurve:
    layers = tuple(Layers(int(number), window) for number, window in data["layers"])
    slopes = Slopes(**{name: _amount(value) for name, value in data["slopes"].items()})
    row_tile, pads_decodes = int(data["row_tile"]), bool(data["pads_decodes"])
    rows_s, seen_s, beside_s = (_line(data[name]) for name in ("rows_s", "seen_s", "beside_s"))
    return StepCurve(layers, row_tile, pads_decodes, rows_s, seen_s, beside_s, slopes)


def _line(data: Sequence[Sequence[Any]]) -> Line:
    line = tuple((int(amount), _amount(seconds)) for amount, seconds in data)
    if not line or any(high[0] <= low[0] or high[1] < low[1] for low, high in pairwise(line)):
        raise ValueError("a line of the curve does not rise")
    return line


def _amount(value: Any) -> float:
    """A number that is at least 0."""
    if not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        raise ValueError(f"{value!r} is no amount")
    return float(value)
