"""What a checkpoint recommends for generation: generation_config.json, and tokens of config.json.

Readers of such files differ: transformers decodes greedily unless `do_sample` is true, servers take the
listed values as defaults whatever it says. Here listed values are the defaults of requests that name none;
only a `do_sample` that is explicitly false makes greedy decoding the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.requests import SamplingParams
from weft.model_specs.config_reader import MOST_SIZE, ConfigReader, is_integer, naming, read_json_object
from weft.model_specs.gguf_generation import gguf_generation
from weft.model_specs.gguf_header import is_gguf

NOT_APPLIED: dict[str, object] = {
    "num_beams": 1,
    "num_return_sequences": 1,
    "min_new_tokens": 0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "top_h": None,
    "penalty_alpha": None,
    "diversity_penalty": 0.0,
    "encoder_repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "guidance_scale": 1.0,
    "bad_words_ids": None,
    "sequence_bias": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "stop_strings": None,
    "watermarking_config": None,
}
"""Keys that would change the output of transformers' `generate`, each with the value that does not."""


@dataclass(frozen=True, slots=True)
class GenerationDefaults:
    """What a model's files say; None where they say nothing.

    `eos_token_ids`: each of these ends an output. `bos_token_id`: begins a prompt. The rest means what it
    does in `SamplingParams`, where `max_new_tokens` is `max_tokens`. `not_applied`: keys of the file that
    change what transformers generates and that we leave to the request; whoever loads a model tells its user.
    """

    eos_token_ids: tuple[int, ...] = ()
    bos_token_id: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None
    not_applied: tuple[str, ...] = ()


def default_sampling(defaults: GenerationDefaults) -> SamplingParams:
    """The parameters of a request that names none: the model's where it has any, else ours."""
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    values = {name: getattr(defaults, name) for name in names}
    values["max_tokens"] = defaults.max_new_tokens
    return SamplingParams(**{name: value for name, value in values.items() if value is not None})


def read_generation_defaults(path: Path) -> GenerationDefaults:
    """Of the model in a directory, or in a GGUF file.

    Tokens that generation_config.json leaves out come from config.json. Nothing else does: old config.json files list
    values that nobody chose, such as `do_sample: false`.
    """
    if is_gguf(path):
        return generation_defaults(gguf_generation(path), str(path))
    own_file, config_file = path / "generation_config.json", path / "config.json"
    if not own_file.exists() and not config_file.exists():
        raise ConfigurationError(f"{path} has neither {own_file.name} nor {config_file.name}; give a model")
    own = GenerationDefaults()
    if own_file.exists():
        own = generation_defaults(read_json_object(own_file), str(own_file))
    return _with_tokens_of(own, config_file) if config_file.exists() else own


def _with_tokens_of(defaults: GenerationDefaults, config_file: Path) -> GenerationDefaults:
    reader = ConfigReader(read_json_object(config_file))
    with naming(str(config_file)):
        eos_token_ids = defaults.eos_token_ids or _read_tokens(reader, "eos_token_id")
        bos_token_id = defaults.bos_token_id
        if bos_token_id is None:
            bos_token_id = _first(_read_tokens(reader, "bos_token_id"))
    return replace(defaults, eos_token_ids=eos_token_ids, bos_token_id=bos_token_id)


def generation_defaults(config: Mapping[str, object], where: str) -> GenerationDefaults:
    """What a parsed generation_config.json says. `where`: its name, for errors."""
    with naming(where):
        reader = ConfigReader(config)
        defaults = GenerationDefaults(
            eos_token_ids=_read_tokens(reader, "eos_token_id"),
            bos_token_id=_first(_read_tokens(reader, "bos_token_id")),
            temperature=_read_temperature(reader),
            top_k=reader.integer("top_k", least=0) if reader.has("top_k") else None,
            top_p=reader.optional_number("top_p", least=0.0, most=1.0),
            min_p=reader.optional_number("min_p", least=0.0, most=1.0),
            repetition_penalty=reader.optional_number("repetition_penalty", least=0.0, most=MOST_SIZE),
            max_new_tokens=reader.optional_size("max_new_tokens"),
            not_applied=_read_not_applied(reader),
        )
        _check_sampling(defaults)
    return defaults


def _read_tokens(reader: ConfigReader, key: str) -> tuple[int, ...]:
    """One token id or a list of them; repeated ones once."""
    value = reader.values.get(key)
    if value is None:
        return ()
    tokens = value if isinstance(value, list) else [value]
    if not all(is_integer(token) and 0 <= token <= MOST_SIZE for token in tokens):
        raise reader.refuse(key, f"a token id between 0 and {MOST_SIZE}, or a list of such")
    return tuple(dict.fromkeys(tokens))


def _first(tokens: tuple[int, ...]) -> int | None:
    return tokens[0] if tokens else None


def _read_temperature(reader: ConfigReader) -> float | None:
    temperature = reader.optional_number("temperature", least=0.0, most=MOST_SIZE)
    return temperature if reader.flag("do_sample", True) else 0.0


def _read_not_applied(reader: ConfigReader) -> tuple[str, ...]:
    return tuple(
        key for key, neutral in NOT_APPLIED.items() if reader.has(key) and reader.values[key] != neutral
    )


def _check_sampling(defaults: GenerationDefaults) -> None:
    """The limits that requests have, such as a `top_p` above 0, hold here too."""
    try:
        default_sampling(defaults)
    except InvalidRequest as error:
        raise ConfigurationError(str(error)) from None
