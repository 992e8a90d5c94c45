"""Which pooling a model was trained for, where its files say: modules.json and the configs it lists.

The format is that of sentence-transformers: a list of modules that a text passes, one of which pools.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Pooling
from weft.model_specs.config_reader import ConfigReader, naming, read_json_object, show

DEFAULT_POOLING_FILE = Path("1_Pooling/config.json")
_MODULES = ("Transformer", "Pooling", "Normalize")
"""What an embedding passes here too: the model, one pooling, and always a vector of length 1."""
_MODES = {"pooling_mode_lasttoken": Pooling.LAST, "pooling_mode_mean_tokens": Pooling.MEAN}
_NAMES = {"lasttoken": Pooling.LAST, "mean": Pooling.MEAN}


def read_pooling(directory: Path) -> Pooling | None:
    """The pooling that a model in a directory was trained for; None where its files do not say.

    Raises `ConfigurationError` where they ask for what there is not, so that nobody gets other vectors than the
    model's.
    """
    modules = directory / "modules.json"
    path = directory / (_pooling_path(modules) if modules.exists() else DEFAULT_POOLING_FILE)
    if not path.exists():
        return None
    with naming(str(path)):
        return _pooling(ConfigReader(read_json_object(path)))


def _pooling_path(modules: Path) -> Path:
    found = DEFAULT_POOLING_FILE
    for module in _listed(modules):
        kind = str(module.get("type")).rpartition(".")[2]
        if kind not in _MODULES:
            raise ConfigurationError(
                f"{modules}: there is a module {show(module.get('type'))}, which would change embeddings and is not "
                f"supported; supported are {', '.join(_MODULES)}"
            )
        if kind == "Pooling":
            name = str(module.get("path"))
            found = Path(Path(name).name) / "config.json"  # a file of the model's, wherever the name points
    return found


def _listed(modules: Path) -> list[Mapping[str, object]]:
    try:
        content = json.loads(modules.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise ConfigurationError(f"{modules} is not a JSON list of modules; repair or remove it")
    return content


def _pooling(reader: ConfigReader) -> Pooling:
    if not reader.flag("include_prompt", True):
        raise reader.refuse("include_prompt", "true: instructions are pooled with the rest")
    if reader.has("pooling_mode"):
        chosen = _NAMES.get(reader.text("pooling_mode", ""))
        if chosen is None:
            raise reader.refuse("pooling_mode", f"one of {', '.join(map(repr, _NAMES))}")
        return chosen
    modes = [key for key in reader.values if key.startswith("pooling_mode_") and reader.flag(key, False)]
    if len(modes) != 1 or modes[0] not in _MODES:
        raise ConfigurationError(
            f"{' and '.join(modes) or 'no pooling mode'} is true; it must be one of {', '.join(_MODES)}"
        )
    return _MODES[modes[0]]
