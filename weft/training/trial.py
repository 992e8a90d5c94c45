"""How many steps fit into some minutes: by a short trial on weights that are thrown away."""

import time

from weft.training.recipe import Curriculum
from weft.training.trainer import Trainer

WARM_STEPS, TIMED_STEPS = 1, 3
"""Of each stage. The first one pays for what is set up once."""


def steps_within(minutes: float, recipe: Curriculum, trainer: Trainer) -> int:
    """Steps such that they and the records on the way take about `minutes`; at least 1.

    `trainer` takes a few steps of each stage and is of no use afterwards.
    """
    step_s = sum(
        stage.share * _step_seconds(trainer, start)
        for stage, start in zip(recipe.stages, recipe.stage_starts(), strict=False)
    )
    start_s = time.monotonic()
    trainer.record()
    records = recipe.training.num_steps / recipe.training.evaluate_every_steps
    records_s = records * (time.monotonic() - start_s)
    return max(1, int((minutes * 60 - records_s) / step_s))


def _step_seconds(trainer: Trainer, first_step: int) -> float:
    """Of the steps from `first_step` on."""
    trainer.progress.steps_done = first_step
    for _ in range(WARM_STEPS):
        trainer.take_step()
    start_s = time.monotonic()
    for _ in range(TIMED_STEPS):
        trainer.take_step()
    return (time.monotonic() - start_s) / TIMED_STEPS
