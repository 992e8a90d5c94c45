"""Rotary embedding as config.json states it, in either of two spellings.

transformers 5 writes one object `rope_parameters` with `rope_theta` and `rope_type` in it. Before, there was
`rope_theta` beside an object `rope_scaling`, whose kind is `rope_type`, or `type` in the oldest files.
"""

from collections.abc import Callable
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.rope import MOST_THETA, RopeScaling, RopeSpec
from weft.model_specs.rope_scalings import (
    LEAST_FACTOR,
    MOST_FACTOR,
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    YarnScaling,
)

DEFAULT_THETA = 10_000.0
"""The base of the RoFormer paper, which transformers assumes where a config has none."""

# `finetuned` is a remark in early YaRN checkpoints: it changes no number.
GENERAL_KEYS = ("type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned")


class Lengths(NamedTuple):
    """In tokens: `original`, of training before scaling; `stated`, the config's `max_position_embeddings`."""

    original: int
    stated: int


def read_rope(config: ConfigReader, head_dim: int, max_position_embeddings: int) -> RopeSpec:
    """The rotary embedding of a model whose heads have `head_dim` numbers, all of them rotated."""
    parameters = _parameters(config)
    _refuse_partial(config)
    _refuse_partial(parameters)
    holder = parameters if parameters.has("rope_theta") else config
    theta = holder.number("rope_theta", DEFAULT_THETA, least=1.0, most=MOST_THETA)
    if theta == 1.0:
        raise holder.refuse("rope_theta", "above 1")
    lengths = Lengths(_original_length(config, parameters, max_position_embeddings), max_position_embeddings)
    return RopeSpec(theta, head_dim, _read_scaling(parameters, lengths))


def _parameters(config: ConfigReader) -> ConfigReader:
    """The object with the scaling: empty where there is none."""
    new, old = config.section("rope_parameters"), config.section("rope_scaling")
    if new is not None and old is not None and new.values and old.values and new.values != old.values:
        raise ConfigurationError(
            "rope_parameters and rope_scaling are both given and differ; remove one of them"
        )
    found = new if new is not None and new.values else old
    return found if found is not None else ConfigReader({})


def _refuse_partial(reader: ConfigReader) -> None:
    if reader.number("partial_rotary_factor", 1.0, least=0.0, most=1.0) != 1.0:
        raise reader.refuse("partial_rotary_factor", "1, since rotating part of a head is not supported")


def _original_length(config: ConfigReader, parameters: ConfigReader, max_position_embeddings: int) -> int:
    """The length of training before scaling; the outer key wins, as in transformers."""
    key = "original_max_position_embeddings"
    inner = parameters.size(key, max_position_embeddings)
    return config.size(key, inner)


def _read_scaling(parameters: ConfigReader, lengths: Lengths) -> RopeScaling | None:
    kind = parameters.text("rope_type", parameters.text("type", "default"))
    if kind not in SCALINGS:
        key = "rope_type" if parameters.has("rope_type") else "type"
        raise parameters.refuse(key, f"one of the supported {', '.join(map(repr, SCALINGS))}")
    keys, read = SCALINGS[kind]
    _refuse_other_keys(parameters, kind, keys)
    return None if read is None else read(parameters, lengths)


def _refuse_other_keys(parameters: ConfigReader, kind: str, keys: tuple[str, ...]) -> None:
    for key in parameters.values:
        if key not in keys and key not in GENERAL_KEYS and parameters.has(key):
            known = ", ".join(keys) if keys else "no further key"
            raise ConfigurationError(
                f"{parameters.prefix}{key} is unknown for rope_type {kind!r}, which takes {known}; remove it"
            )


def _factor(parameters: ConfigReader) -> float:
    return parameters.number("factor", least=1.0, most=MOST_FACTOR)


def _read_linear(parameters: ConfigReader, _lengths: Lengths) -> RopeScaling:
    return LinearScaling(_factor(parameters))


def _read_dynamic(parameters: ConfigReader, lengths: Lengths) -> RopeScaling:
    return DynamicScaling(_factor(parameters), lengths.stated)


def _read_llama3(parameters: ConfigReader, lengths: Lengths) -> RopeScaling:
    low = parameters.number("low_freq_factor", least=LEAST_FACTOR, most=MOST_FACTOR)
    high = parameters.number("high_freq_factor", least=LEAST_FACTOR, most=MOST_FACTOR)
    return Llama3Scaling(_factor(parameters), low, high, lengths.original)


def _read_yarn(parameters: ConfigReader, lengths: Lengths) -> RopeScaling:
    # without a factor, DeepSeek's reading: how much longer the model is than what it was trained on
    default_factor = lengths.stated / lengths.original
    return YarnScaling(
        factor=parameters.number("factor", default_factor, least=1.0, most=MOST_FACTOR),
        original_length_tokens=lengths.original,
        beta_fast=parameters.number("beta_fast", 32.0, least=LEAST_FACTOR, most=MOST_FACTOR),
        beta_slow=parameters.number("beta_slow", 1.0, least=LEAST_FACTOR, most=MOST_FACTOR),
        explicit_attention_factor=parameters.optional_number(
            "attention_factor", least=LEAST_FACTOR, most=MOST_FACTOR
        ),
        mscale=parameters.optional_number("mscale", least=0.0, most=MOST_FACTOR),
        mscale_all_dim=parameters.optional_number("mscale_all_dim", least=0.0, most=MOST_FACTOR),
        truncates=parameters.flag("truncate", True),
    )


YARN_KEYS = ("beta_fast", "beta_slow", "attention_factor", "mscale", "mscale_all_dim", "truncate")

ScalingReader = Callable[[ConfigReader, Lengths], RopeScaling]

SCALINGS: dict[str, tuple[tuple[str, ...], ScalingReader | None]] = {
    "default": ((), None),
    "linear": (("factor",), _read_linear),
    "dynamic": (("factor",), _read_dynamic),
    "llama3": (
        ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
        _read_llama3,
    ),
    "yarn": (("factor", "original_max_position_embeddings", *YARN_KEYS), _read_yarn),
}
"""Per `rope_type`: the keys that it takes, and what reads them."""
