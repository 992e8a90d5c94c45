"""The estimate of memory against what a run takes, in a process of its own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.small_recipe import small, tokenizer
from weft.ops.torch_ops import TorchOps
from weft.training.needs import estimate_needs
from weft.training.products import product_of
from weft.training.recipes.smoke import smoke
from weft.training.run import make_trainer

AGREEMENT = 1.5
"""The factor within which the estimate is to be."""

TWO_STEPS = """
import re, sys
from dataclasses import replace
import torch
import tokenizers
from weft.model_specs.builtin import builtin_model
from weft.training.needs import estimate_needs
from weft.training.products import product_of
from weft.training.recipes import find_recipe
from weft.training.run import make_trainer

def peak_bytes():
    # Not getrusage: its figure survives exec, so it may be that of the process which began this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

dtype = getattr(torch, sys.argv[1])
recipe = find_recipe(sys.argv[2])
stage = replace(recipe.stages[-1], share=1.0)
recipe = replace(recipe, stages=(stage,), evaluated_documents=16).scaled(2)
ops = product_of(recipe).ops(1)
ops.bind_thread()
entries = tokenizers.Tokenizer.from_file(str(builtin_model("weft-nano") / "tokenizer.json"))
torch.nn.functional.linear(torch.ones(64, 64), torch.ones(64, 64))
before = peak_bytes()
trainer = make_trainer(recipe, entries, ops, dtype)
trainer.take_step()
trainer.take_step()
print((peak_bytes() - before) / estimate_needs(recipe, dtype).of_a_step)
"""


@pytest.mark.parametrize(
    ("dtype", "recipe"),
    [
        ("float32", "smoke"),
        pytest.param("bfloat16", "smoke", marks=pytest.mark.nightly),
        pytest.param("float32", "weft-nano-moe", marks=pytest.mark.nightly),
        pytest.param("bfloat16", "weft-nano-moe", marks=pytest.mark.nightly),
    ],
)
def test_the_estimate_is_near_the_measured_peak(dtype: str, recipe: str) -> None:
    root = Path(__file__).parents[2]
    outcome = subprocess.run(
        [sys.executable, "-c", TWO_STEPS, dtype, recipe],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    measured_share = float(outcome.stdout)
    assert 1 / AGREEMENT < measured_share < AGREEMENT


def test_parameters_are_counted_right() -> None:
    trainer = make_trainer(small(), tokenizer(), TorchOps(1), torch.float32)
    assert trainer.weights.num_parameters == product_of(small()).num_trained


def test_a_longer_batch_and_more_layers_need_more() -> None:
    recipe = smoke()
    needs = estimate_needs(recipe, torch.float32)
    longer = estimate_needs(replace(recipe, batch_tokens=2 * recipe.batch_tokens), torch.float32)
    deeper = estimate_needs(replace(recipe, shape=replace(recipe.shape, num_layers=8)), torch.float32)
    assert longer.states == needs.states
    assert longer.activations > 1.5 * needs.activations
    assert deeper.states > 1.5 * needs.states
    assert deeper.logits == needs.logits
