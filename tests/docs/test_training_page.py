"""The recipe in docs/training.md trains as it stands there."""

import re
from dataclasses import replace
from pathlib import Path

from weft.training.recipe import Recipe
from weft.training.recipes import find_recipe
from weft.training.run import RunOptions, train

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_recipe_on_the_page_makes_a_model(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "my_recipe.py").write_text(code)
    recipe = find_recipe(f"{tmp_path / 'my_recipe.py'}:quick")
    assert isinstance(recipe, Recipe)
    shorter = replace(recipe, tokenizer_documents=100, evaluated_documents=2).scaled(2)
    lines: list[str] = []
    train(shorter, tmp_path / "model", RunOptions(), lines.append)
    assert (tmp_path / "model" / "model.safetensors").exists()
    assert lines[-1].startswith("step 2: loss ")
