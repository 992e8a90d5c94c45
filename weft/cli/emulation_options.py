"""Flags of `weft serve` for a server without a model, which is only as fast as one on other hardware."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.model_options import Decorator
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import serving_options
from weft.model_specs.builtin import DEFAULT

if TYPE_CHECKING:
    from weft.llm.language_model import LanguageModel

FLAGS: tuple[Decorator, ...] = (
    click.option(
        "--emulate",
        metavar="HARDWARE",
        help="Compute nothing, and let steps take as long as on h100, 4xh100 (tensor parallel), ...: for load tests. "
        "MODEL may also be a name of the catalogue or a config.json.",
    ),
    click.option(
        "--emulate-output-tokens",
        type=click.FloatRange(min=1, max=1e6),
        help="After which outputs end on average, unless ignore_eos is set.  [default: 200]",
    ),
)


def emulation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these flags."""
    for flag in reversed(FLAGS):
        command = flag(command)
    return command


def check_emulation(arguments: dict[str, Any]) -> None:
    """Raises `ConfigurationError` for flags that mean nothing together."""
    if arguments["emulate"] is None and arguments["emulate_output_tokens"] is not None:
        raise ConfigurationError("emulate_output_tokens is given, and emulate is not; add --emulate HARDWARE")


def check_emulated(model: str | None, hardware: str, given: dict[str, Any]) -> None:
    """Raises `ConfigurationError` where this hardware could not serve the model so."""
    from weft.llm.emulated_llm import emulated_deployment

    emulated_deployment(model or DEFAULT, hardware, serving_options(given))


def emulated_name(model: str | None) -> str:
    """What clients call a model that nobody has to resolve: as it is named, or the last part of its path."""
    path = Path(model or DEFAULT)
    if not path.exists():
        return model or DEFAULT
    return (path.parent if path.is_file() else path).resolve().name


def load_emulated(
    model: str | None, arguments: dict[str, Any], options: dict[str, Any], cluster: dict[str, Any] | None
) -> "LanguageModel":
    """`options`: what `AsyncLLM` takes beside the model; `cluster`: what `ClusterLLM` takes beside these, None for one
    replica in this process."""
    from weft.llm.emulated_cluster import EmulatedClusterLLM
    from weft.llm.emulated_llm import EmulatedLLM

    named, hardware = model or DEFAULT, arguments["emulate"]
    mean_tokens = arguments["emulate_output_tokens"]
    if mean_tokens is not None:
        options = {"output_tokens": mean_tokens, **options}
    if cluster is None:
        return EmulatedLLM(named, hardware, **options)
    return EmulatedClusterLLM(named, hardware, **cluster, **options)
