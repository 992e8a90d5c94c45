"""Recipes: what cannot work is refused, stages follow their shares, a changed recipe is told apart."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.small_recipe import small
from weft.contracts.errors import ConfigurationError
from weft.training.fingerprint import describe_recipe, differences
from weft.training.recipe import Stage
from weft.training.recipes import RECIPES, all_recipes, find_recipe
from weft.training.recipes.sources import chat, story


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 0}, "vocab_size is 0; it must be at least 1"),
        ({"batch_tokens": -1}, "batch_tokens is -1"),
        ({"stages": (Stage(0.5, 64, ((1, chat),)),)}, "add up to 0.5"),
        ({"stages": ()}, "add up to 0;"),
        ({"stages": (Stage(1.0, 512, ((1, chat),)),)}, "max_length_tokens 512; .* context_tokens, 256"),
        ({"stages": (Stage(1.0, 64, ()),)}, "a stage needs sources"),
        ({"stages": (Stage(1.0, 64, ((0, chat),)),)}, "a weight above 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"recipe 'small': .*{message}"):
        replace(small(), **changes)


@given(num_steps=st.integers(1, 5000), shares=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_every_step_has_a_stage_and_stages_keep_their_order(num_steps: int, shares: list[int]) -> None:
    stages = tuple(Stage(share / sum(shares), 2 + i, ((1, chat),)) for i, share in enumerate(shares))
    recipe = replace(small(), stages=stages).scaled(num_steps)
    starts = recipe.stage_starts()
    assert (starts[0], starts[-1]) == (0, num_steps)
    for stage, start, end in zip(stages, starts, starts[1:], strict=False):
        assert abs((end - start) - stage.share * num_steps) <= 1
        assert all(recipe.stage_at(step) is stage for step in range(start, min(end, start + 3)))


def test_scaling_keeps_shares_and_scaling_to_the_same_changes_nothing() -> None:
    recipe = small()
    assert recipe.scaled(20) == recipe
    longer = recipe.scaled(200).training
    assert (longer.warmup_steps, longer.evaluate_every_steps) == (30, 50)
    shortest = recipe.scaled(1).training
    assert (shortest.warmup_steps, shortest.evaluate_every_steps) == (1, 1)


def test_a_description_tells_what_differs() -> None:
    one = describe_recipe(small())
    assert one == describe_recipe(small())
    faster = replace(small(), training=replace(small().training, peak_learning_rate=0.5))
    assert list(differences(describe_recipe(faster), one)) == [
        "training.peak_learning_rate is 0.5, and was 0.004"
    ]
    stages = (small().stages[0], replace(small().stages[1], sources=((2, chat), (2, story))))
    found = list(differences(describe_recipe(replace(small(), stages=stages)), one))
    assert found[0] == "stages[1].sources[1][0] is 2, and was 1"
    assert found[1].startswith("text[1] is ")


def test_sources_of_the_same_name_differ_by_their_text() -> None:
    def shouting() -> Stage:
        return Stage(1.0, 64, ((1, lambda teller: chat(teller)),))

    def asking() -> Stage:
        return Stage(1.0, 64, ((1, lambda teller: story(teller)),))

    one, other = (describe_recipe(replace(small(), stages=(stage,))) for stage in (shouting(), asking()))
    assert any(each.startswith("text[0]") for each in differences(one, other))


def test_named_recipes_can_be_made_and_say_what_they_are() -> None:
    assert [recipe.name for recipe in all_recipes()] == list(RECIPES)
    assert all(recipe.summary.endswith(".") for recipe in all_recipes())


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import replace\nfrom weft.training.recipes.smoke import smoke\n"
        "def mine():\n    return replace(smoke(), name='mine')\ndef nothing():\n    return 3\n"
    )
    assert find_recipe(f"{file}:mine").name == "mine"
    with pytest.raises(ConfigurationError, match="has no function 'other'"):
        find_recipe(f"{file}:other")
    with pytest.raises(ConfigurationError, match=r"nothing in .* returned int"):
        find_recipe(f"{file}:nothing")
    file.write_text("import there_is_no_such_module")
    with pytest.raises(ConfigurationError, match="cannot be loaded: ModuleNotFoundError"):
        find_recipe(f"{file}:mine")
    with pytest.raises(ConfigurationError, match="is not a Python file"):
        find_recipe(f"{tmp_path / 'none.py'}:mine")


def test_a_mistyped_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="there is no recipe 'smok'; did you mean 'smoke'"):
        find_recipe("smok")
