"""`weft train`: a recipe becomes the directory of a model, or of an adapter to one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from weft.cli.mistakes import NearChoice

EXIT_OF_SIGNALS = 128
"""A process that a signal ended is reported as this and the signal's number."""

COUNT = click.IntRange(min=1)


def _list_recipes(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value:
        return
    from weft.training.recipes import all_recipes

    for recipe in all_recipes():
        click.echo(f"{recipe.name}: {recipe.summary}")
    ctx.exit()


@click.command()
@click.argument("recipe")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the result goes.")
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The model that an adapter is for.",
)
@click.option("--seed", type=int, help="Of text, tokenizer and first weights.  [default: the recipe's]")
@click.option("--steps", type=COUNT, help="In all, with every stage's share.  [default: the recipe's]")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="As many steps as a short trial says fit into so many.",
)
@click.option(
    "--threads", "num_threads", type=COUNT, help="Of the processor.  [default: as many as may be used]"
)
@click.option(
    "--dtype",
    type=NearChoice(["float32", "bfloat16"]),
    help="What the model computes in; weights stay float32.  [default: float32]",
)
@click.option("--resume", is_flag=True, help="Go on with the run in OUT.")
@click.option(
    "--checkpoint-every",
    "checkpoint_every_steps",
    type=COUNT,
    default=100,
    show_default=True,
    help="Steps between checkpoints.",
)
@click.option("--keep-checkpoints", is_flag=True, help="Also when the run is over.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_recipes,
    help="Name the recipes.",
)
def command(
    recipe: str,
    out: Path,
    base: Path | None,
    seed: int | None,
    steps: int | None,
    minutes: float | None,
    resume: bool,
    **options: Any,
) -> int:
    """Train a model by RECIPE: a name that --list tells, or FILE.py:function of your own.

    Some recipes make an adapter (LoRA) to the model --base. OUT must not exist or be empty. It gets the result at the
    end, and under training/ the curve (CSV), the recipe, and while the run lasts the last two checkpoints. Ctrl-C or
    SIGTERM ends the step, writes a checkpoint and stops; --resume goes on from there, or from the last checkpoint where
    the run was killed.
    """
    if minutes is not None and (steps is not None or resume):
        raise click.UsageError("--minutes chooses the number of steps; give it without --steps and --resume")
    from weft.training.run import TrainingInterrupted

    try:
        advice = _run(recipe, out, base, seed, steps, minutes, resume, options)
    except TrainingInterrupted as interruption:
        click.echo(f"weft: {interruption}", err=True)
        return EXIT_OF_SIGNALS + interruption.signal_number
    click.echo(f"{out}: try `{advice}`")
    return 0


def _run(
    name: str,
    out: Path,
    base: Path | None,
    seed: int | None,
    steps: int | None,
    minutes: float | None,
    resume: bool,
    given: Mapping[str, Any],
) -> str:
    """What to do next."""
    from weft.executor.limits import available_processors
    from weft.training import run
    from weft.training.adapter_recipe import AdapterRecipe, with_base
    from weft.training.recipes import find_recipe

    recipe = with_base(find_recipe(name), base)
    known = {field: value for field, value in given.items() if value is not None}
    options = run.RunOptions(**{"num_threads": available_processors(), **known})
    if resume:
        recipe, dtype = run.as_begun(recipe, out, seed=seed, num_steps=steps, dtype=given["dtype"])
        run.resume(recipe, out, replace(options, dtype=dtype), tqdm.write)
    else:
        recipe = recipe if seed is None else replace(recipe, seed=seed)
        recipe = recipe if steps is None else recipe.scaled(steps)
        run.train(recipe, out, options, tqdm.write, minutes=minutes)
    if isinstance(recipe, AdapterRecipe):
        return f"weft convert {recipe.base} NEW --adapter {out}"
    return f"weft chat {out}"
