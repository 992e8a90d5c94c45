"""Steps are recorded the first time that there are so many rows, done again in one call from then on."""

from collections.abc import Callable, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from torch import Tensor

from weft.ops.backend import Decoded, StepModel
from weft.ops.cpu.attention import CpuPlan
from weft.ops.cpu.library import kernels
from weft.ops.cpu.recording import Arena, Beginning, Choice, Recording, Slab, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weft.ops.cpu._kernels import Operations, Program


class RecordedSteps:
    """What a backend remembers of each model: the step of the most rows so far, whose operations do those of fewer,
    too. `embed`, `likeliest`: its operations.

    `memory`: where results of operations go while a step is being recorded; None: wherever torch puts them.
    """

    def __init__(
        self,
        operations: "Operations",
        embed: Callable[[Tensor, Tensor], Tensor],
        likeliest: Callable[[Tensor], Tensor],
    ) -> None:
        self._operations, self._embed, self._likeliest = operations, embed, likeliest
        self.memory: Arena | None = None
        # Scores of a choice are apart, as only steps that decode have them: of fewer rows, by far.
        self._slab, self._scores_slab = Slab(), Slab()
        self._recordings: MutableMapping[StepModel, Recording | None] = WeakKeyDictionary()

    def forget(self) -> None:
        """Give up all recordings."""
        self._recordings.clear()

    def step(self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: CpuPlan) -> Tensor:
        """See `Ops.step`."""
        recording, result_TD = self._find(model, tokens_T, positions_T, plan)
        if recording is not None and result_TD is None:
            recording.replay(tokens_T, positions_T, plan.handle, recording.num_forward)
            return recording.result_TD[len(tokens_T)]
        return model.forward(tokens_T, positions_T, plan) if result_TD is None else result_TD

    def decode(
        self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: CpuPlan, *, chooses: bool
    ) -> Decoded:
        """See `Ops.decode`."""
        recording, result_TD = self._find(model, tokens_T, positions_T, plan)
        choice = None if recording is None else recording.choice
        if recording is not None and choice is not None and len(tokens_T) <= len(choice.scores_TV):
            return recording.replay_all(tokens_T, positions_T, plan.handle, chooses=chooses)
        if result_TD is None:
            result_TD = self.step(model, tokens_T, positions_T, plan)
        if recording is not None:
            return self._record_choice(model, recording, result_TD, chooses=chooses)
        scores_TV = model.logits(result_TD)
        return Decoded(result_TD, scores_TV, self._likeliest(scores_TV).tolist() if chooses else None)

    def _find(
        self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: CpuPlan
    ) -> tuple[Recording | None, Tensor | None]:
        """The recording of such a step; and the result of this one, where it was recorded by this call."""
        known = self._recordings.get(model)
        if known is None and model in self._recordings:
            return None, None
        if known is None or len(tokens_T) > len(known.result_TD) or known.layers is not plan.batch.layers:
            self._recordings[model], result_TD = self._record(model, tokens_T, positions_T, plan)
            return self._recordings[model], result_TD
        return known, None

    def _record(
        self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: CpuPlan
    ) -> tuple[Recording | None, Tensor]:
        """Compute a step; its operations, or None where the model asks for more than these, and its result."""
        tokens_T, positions_T = tokens_T.clone(), positions_T.clone()
        program = kernels().Program(tokens_T.data_ptr(), positions_T.data_ptr(), len(tokens_T))
        with self._watched(program, Arena(self._slab), (tokens_T, positions_T)) as watch:
            result_TD = model.forward(tokens_T, positions_T, plan)
        if not (watch.is_complete and program.by_rows):
            return None, result_TD
        result, layers = Beginning(result_TD), plan.batch.layers
        return Recording(program, tokens_T, positions_T, result, layers, len(program)), result_TD

    def _record_choice(
        self, model: StepModel, recording: Recording, result_TD: Tensor, *, chooses: bool
    ) -> Decoded:
        """Compute and record what follows the layers; the model is not remembered where it asks for more there."""
        recording.choice = None
        recording.program.cut(recording.num_forward)
        recording.program.expect(len(result_TD))
        with self._watched(recording.program, Arena(self._scores_slab), ()) as watch:
            scores_TV = model.logits(result_TD)
            chosen_T = self._likeliest(scores_TV)
        recording.choice = Choice(Beginning(scores_TV), chosen_T.numpy())
        if not (watch.is_complete and recording.program.by_rows):
            self._recordings[model] = None
        return Decoded(result_TD, scores_TV, chosen_T.tolist() if chooses else None)

    @contextmanager
    def _watched(self, program: "Program", memory: Arena, indexes: Sequence[Tensor]) -> "Iterator[Watch]":
        """Operations are recorded meanwhile."""
        watch = Watch(self._embed, indexes)
        self.memory = memory
        self._operations.record(program)
        try:
            with watch:
                yield watch
        finally:
            self._operations.record(None)
            self.memory = None
