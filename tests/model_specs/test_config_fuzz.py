"""Whatever JSON a config holds, reading it gives a spec or one line of `ConfigurationError`."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.model_specs.configs import ARCHITECTURES, TINY, Config, tiny_configs
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.model_specs.decoder_config import UNSUPPORTED
from weft.model_specs.families import spec_from_config
from weft.model_specs.generation_config import NOT_APPLIED, default_sampling, generation_defaults
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import ForwardWork, Span
from weft.model_specs.rope_config import GENERAL_KEYS, SCALINGS

WORDS = (*ARCHITECTURES, *SCALINGS, "silu", "float16", "full_attention", "sliding_attention")
KEYS = (
    *TINY,
    *UNSUPPORTED,
    *(
        "hidden_act",
        "rms_norm_eps",
        "tie_word_embeddings",
        "attention_bias",
        "mlp_bias",
        "torch_dtype",
        "dtype",
    ),
    *("sliding_window", "use_sliding_window", "max_window_layers", "layer_types", "rope_scaling"),
    *("rope_parameters", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"),
)
ROPE_KEYS = (*GENERAL_KEYS, *dict.fromkeys(key for keys, _ in SCALINGS.values() for key in keys))
GENERATION_KEYS = (
    *("eos_token_id", "bos_token_id", "do_sample", "temperature", "top_k", "top_p", "min_p"),
    *("repetition_penalty", "max_new_tokens", *NOT_APPLIED),
)

numbers = st.integers(-3, 9) | st.integers() | st.floats() | st.just(10**400)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=4) | st.sampled_from(WORDS)


def extend(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(ROPE_KEYS), children, max_size=3)


values = st.recursive(scalars, extend, max_leaves=6)
rope_objects = st.dictionaries(st.sampled_from(ROPE_KEYS), scalars, max_size=6)
changes = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)


def complaint(read: Callable[[Config, str], object], config: Config) -> str | None:
    """What is wrong with a config, or None; anything but a `ConfigurationError` passes through."""
    try:
        read(config, "some.json")
    except ConfigurationError as error:
        return str(error)
    return None


def check(config: Config) -> None:
    message = complaint(spec_from_config, config)
    if message is None:
        check_use(spec_from_config(config, "some.json"))
    else:
        assert message.startswith("some.json: ")
        assert "\n" not in message


def check_use(spec: ModelSpec) -> None:
    """What was accepted can be worked with."""
    half = NumberFormat.FLOAT16
    assert spec.num_parameters > 0
    assert len(spec.rope.inverse_frequencies(spec.max_length_tokens)) * 2 == spec.head_dim
    assert spec.rope.attention_factor() > 0.0
    assert len(spec.state_layout(half).groups) == len(spec.layer_groups)
    assert next(spec.operations(ForwardWork((Span(0, 1),), 1), half, half, half)).name == "embedding"


@given(config=tiny_configs(), changed=changes)
def test_random_values(config: Config, changed: Config) -> None:
    check(config | changed)


@given(config=tiny_configs(), key=st.sampled_from(["rope_scaling", "rope_parameters"]), rope=rope_objects)
def test_random_rope(config: Config, key: str, rope: Config) -> None:
    check(config | {key: rope})


@given(config=tiny_configs(), missing=st.lists(st.sampled_from(list(TINY)), max_size=3))
def test_missing_keys(config: Config, missing: list[str]) -> None:
    check({key: value for key, value in config.items() if key not in missing})


@given(config=st.dictionaries(st.sampled_from(GENERATION_KEYS), values, max_size=5))
def test_random_generation_defaults(config: Config) -> None:
    message = complaint(generation_defaults, config)
    if message is None:
        default_sampling(generation_defaults(config, "some.json"))
    else:
        assert message.startswith("some.json: ")
        assert "\n" not in message
