"""Recipes by name, and how to find those of others. Imports no torch."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from weft.contracts.errors import ConfigurationError
from weft.training.adapter_recipe import AdapterRecipe, AnyRecipe
from weft.training.recipe import Recipe

RECIPES: Mapping[str, str] = {
    "weft-tiny": "weft.training.recipes.pair:weft_tiny",
    "weft-nano": "weft.training.recipes.pair:weft_nano",
    "smoke": "weft.training.recipes.smoke:smoke",
    "weft-nano-moe": "weft.training.recipes.nano_moe:weft_nano_moe",
    "adapter-json": "weft.training.recipes.adapters:adapter_json",
    "adapter-brief": "weft.training.recipes.adapters:adapter_brief",
}
"""Each name with "module:function"; the function takes nothing and returns a `Recipe` or an `AdapterRecipe`."""

_USERS_MODULE = "weft_recipe_file"


def find_recipe(name: str) -> AnyRecipe:
    """A recipe by its name, or "FILE.py:function". Raises `ConfigurationError` where there is none."""
    if ".py:" in name:
        path, _, function = name.rpartition(":")
        return _made_by(_load_file(Path(path)), function)
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"choose {', '.join(RECIPES)}, or FILE.py:function"
        raise ConfigurationError(f"there is no recipe {name!r}; {advice}")
    module, _, function = RECIPES[name].partition(":")
    return _made_by(importlib.import_module(module), function)


def all_recipes() -> list[AnyRecipe]:
    """Those that have names, in their order."""
    return [find_recipe(name) for name in RECIPES]


def _load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_USERS_MODULE, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigurationError(f"{path} is not a Python file that can be read; give FILE.py:function")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look for their module by name.
    sys.modules[_USERS_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"{path} cannot be loaded: {error!r}; mend it") from error
    return module


def _made_by(module: ModuleType, function: str) -> AnyRecipe:
    make: Callable[[], object] | None = getattr(module, function, None)
    if not callable(make):
        raise ConfigurationError(
            f"{module.__file__} has no function {function!r}; name one that makes a Recipe"
        )
    recipe = make()
    if not isinstance(recipe, Recipe | AdapterRecipe):
        raise ConfigurationError(
            f"{function} in {module.__file__} returned {type(recipe).__name__}; it must return a weft Recipe"
        )
    return recipe
