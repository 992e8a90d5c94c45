"""The number format in which a checkpoint's weights are stored."""

from weft.contracts.formats import NumberFormat, number_format
from weft.model_specs.config_reader import ConfigReader


def read_format(config: ConfigReader, default: NumberFormat = NumberFormat.FLOAT32) -> NumberFormat:
    """Of the checkpoint; a config that names none was saved in torch's own default, float32."""
    key = "dtype" if config.has("dtype") else "torch_dtype"
    known = [known.value for known in NumberFormat]
    name = config.text(key, default.value).removeprefix("torch.")
    if name not in known:
        raise config.refuse(key, f"one of the supported {', '.join(map(repr, known))}")
    return number_format(name)
