"""Signals that come when a test wants them."""

import os
import signal

import pytest

from weft.training.trainer import Trainer


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, number: int = signal.SIGTERM) -> None:
    """Send a signal to this process in the middle of a step."""
    take_step = Trainer.take_step

    def take_and_signal(trainer: Trainer) -> float:
        if trainer.progress.steps_done == step:
            os.kill(os.getpid(), number)
        return take_step(trainer)

    monkeypatch.setattr(Trainer, "take_step", take_and_signal)
