"""Models by name or path."""

import re
from difflib import get_close_matches
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.builtin import NAMES, builtin_model
from weft.model_specs.catalogue import llama, mistral, others, qwen
from weft.model_specs.catalogue.entry import CatalogueModel
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.planned_families import planning_spec, read_planning_spec

MODELS: tuple[CatalogueModel, ...] = (*llama.MODELS, *qwen.MODELS, *mistral.MODELS, *others.MODELS)
"""All models of the catalogue."""


def find_model(name: str) -> ModelSpec:
    """The spec of a directory, config.json or GGUF file where `name` is the path of one, else that of a model that
    comes with Weft, or of the catalogue's.

    Of an id the part after the slash will do, in any case; what only training set apart (`-Instruct`, `-chat`,
    `-hf`, `Meta-`) does not count. Raises `ConfigurationError` for an unknown one, with the nearest.
    """
    path = Path(name).expanduser()
    if path.is_dir() or path.is_file():
        return read_planning_spec(path)
    if name in NAMES:
        return read_planning_spec(builtin_model(name))
    by_shape = {_shape(model.name): model for model in MODELS}
    found = by_shape.get(_shape(name))
    if found is None:
        raise ConfigurationError(_unknown(name, by_shape))
    return planning_spec(found.config, found.name)


def _unknown(name: str, known: dict[str, CatalogueModel]) -> str:
    nearest = get_close_matches(_shape(name), list(known), n=1)
    meant = f"did you mean {known[nearest[0]].name}? " if nearest else ""
    return f"model {name!r} is neither a path nor in the catalogue; {meant}give a path to a config.json of its own"


def _shape(name: str) -> str:
    last = name.strip().rstrip("/").rpartition("/")[2].lower().removeprefix("meta-")
    return re.sub(r"-(instruct|chat|base|hf)(?=-|$)", "", last)
