"""Which layers of a Qwen model see a window only."""

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import MOST_SIZE, ConfigReader
from weft.model_specs.decoder_config import FULL, SLIDING, read_num_layers

DEFAULT_WINDOW_TOKENS = 4096
DEFAULT_MAX_WINDOW_LAYERS = 28


def read_windows(config: ConfigReader) -> tuple[int | None, ...]:
    """Per layer its window: by `layer_types` where given, else for those from `max_window_layers` on.

    `sliding_window` counts only where `use_sliding_window` is true, which in the published models it is not.
    """
    num_layers, window_tokens = read_num_layers(config), read_window(config)
    layer_types = config.choices("layer_types", (FULL, SLIDING))
    if layer_types is None:
        first = config.integer("max_window_layers", DEFAULT_MAX_WINDOW_LAYERS, least=0, most=MOST_SIZE)
        return tuple(None if layer < first else window_tokens for layer in range(num_layers))
    if len(layer_types) != num_layers:
        raise config.refuse("layer_types", f"of {num_layers} entries, as num_hidden_layers says")
    if SLIDING in layer_types and window_tokens is None:
        raise ConfigurationError(
            f"layer_types has {SLIDING!r} layers, but no window is in use; "
            "set use_sliding_window to true and sliding_window to its tokens"
        )
    return tuple(window_tokens if layer_type == SLIDING else None for layer_type in layer_types)


def read_window(config: ConfigReader) -> int | None:
    """The window in tokens of those layers that have one, or None where none has."""
    if not config.flag("use_sliding_window", False):
        return None
    # null turns windows off, an absent key means the default
    absent = None if "sliding_window" in config.values else DEFAULT_WINDOW_TOKENS
    return config.size("sliding_window") if config.has("sliding_window") else absent
