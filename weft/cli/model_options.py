"""The options of `ServingOptions` as flags, for every verb that runs a model."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

from weft.cli.mistakes import NearChoice
from weft.contracts.formats import NumberFormat
from weft.contracts.options import AUTO, KV_CACHE_DTYPES, QUANTIZATIONS, ServingOptions

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def size(text: str) -> int:
    """Bytes: a whole number, or a number with a binary unit.

    Fails on everything else, saying what is allowed; on "GB" too, which some read as 10^9 and some as 2^30.
    """
    match = _SIZE.fullmatch(text.strip())
    factor = None if match is None else _factor(match[2])
    if match is None or factor is None or (factor == 1 and "." in match[1]):
        units = ", ".join(unit for unit in UNITS if unit)
        raise click.BadParameter(f"{text!r} is not a size; give whole bytes, or a number with {units}: 4GiB")
    try:
        return int(float(match[1]) * factor) if "." in match[1] else int(match[1]) * factor
    except (OverflowError, ValueError):  # of hundreds of digits
        raise click.BadParameter(
            f"{text[:20]!r}… is too large a size; give one that this machine could have"
        ) from None


def _factor(unit: str) -> int | None:
    found = [factor for name, factor in UNITS.items() if name.lower() == unit.lower()]
    return found[0] if found else None


class Flag(NamedTuple):
    """One field of `ServingOptions` on the command line. `default`: its words in the help, where the value
    itself would not do. `flag`: where it is not the field's own name."""

    field: str
    kind: Any
    help_text: str
    default: str = ""
    flag: str = ""

    def option(self, default: str) -> Decorator:
        """As click wants it. The value stays None where it is not given, so that a verb can derive it."""
        name = self.flag or f"--{self.field.replace('_', '-')}"
        shown = default or self.default or str(getattr(ServingOptions(), self.field))
        text = f"{self.help_text}  [default: {shown}]"
        return click.option(name, self.field, type=self.kind, default=None, help=text)


COUNT = click.IntRange(min=1)
FORMATS = NearChoice([AUTO, *(number.value for number in NumberFormat)])
BACKENDS = NearChoice([AUTO, "torch", "reference", "cpu"])
CACHE_DEFAULT = "what these need, at most half of what is free; on a GPU nine tenths"
FLAGS = (
    Flag(
        "backend",
        BACKENDS,
        "cpu (our kernels), torch (any device), or reference (slow, what the others are compared with); auto: "
        "torch on a GPU and for float16, else cpu.",
    ),
    Flag("device", str, "A torch device, such as cpu or cuda; auto: a GPU where there is one."),
    Flag("dtype", FORMATS, "Of weights, arithmetic and cache; auto: the checkpoint's (reference: float32)."),
    Flag(
        "quantization",
        NearChoice(QUANTIZATIONS),
        "Of weights on backend cpu; int4-64: in groups of 64; int8-a16: activations do not become int8.",
    ),
    Flag(
        "kv_cache_dtype",
        NearChoice(KV_CACHE_DTYPES),
        "Of keys and values; int8 on backend cpu; auto: as --dtype.",
    ),
    Flag("max_model_len", COUNT, "Most tokens of a sequence, prompt and output.", "the model's own"),
    Flag("max_num_seqs", COUNT, "Most sequences that run at once."),
    Flag("max_num_batched_tokens", COUNT, "Most tokens of a step."),
    Flag("kv_cache_memory_bytes", size, "For keys and values: 4GiB.", CACHE_DEFAULT, "--kv-cache-memory"),
    Flag("swap_memory_bytes", size, "Of the host, for preempted sequences: 512MiB.", flag="--swap-memory"),
    Flag("block_tokens", COUNT, "Tokens of a block of the cache."),
    Flag("num_threads", COUNT, "On a CPU.", "as many as may be used", "--threads"),
    Flag("depth", COUNT, "Steps in flight."),
)


def model_options(**defaults: str) -> Decorator:
    """Give a command the flags of `ServingOptions`; it gets one argument, `given`: the fields that were named,
    by name, for `serving_options`. `defaults`: words for those that the verb derives in its own way."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_given(**arguments: Any) -> Any:
            return command(given=given_options(arguments), **arguments)

        decorated: Callable[..., Any] = NO_PREFIX_CACHING(with_given)
        for flag in reversed(FLAGS):
            decorated = flag.option(defaults.get(flag.field, ""))(decorated)
        return decorated

    return decorate


def given_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Takes the fields of `ServingOptions` that were named out of a command's arguments."""
    given = {flag.field: arguments.pop(flag.field) for flag in FLAGS}
    known = {field: value for field, value in given.items() if value is not None}
    if arguments.pop("no_prefix_caching"):
        known["enable_prefix_caching"] = False
    return known


NO_PREFIX_CACHING: Decorator = click.option(
    "--no-prefix-caching", is_flag=True, help="Compute equal prefixes of prompts again."
)
