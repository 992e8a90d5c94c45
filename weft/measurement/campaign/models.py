"""What the engines of a world serve: a model, a device for each engine, and what it says to a request alone."""

from functools import partial
from typing import Protocol

from weft.contracts.requests import Request
from weft.contracts.state import ConstantGroup, EncoderGroup, StateLayout
from weft.contracts.steps import TokenLogprobs
from weft.engine.config import EngineConfig, Reservation
from weft.measurement.campaign.builtin_model import BuiltinModel
from weft.measurement.campaign.layouts import BLOCK_TOKENS, LAYOUTS, VOCABULARY
from weft.measurement.campaign.world import World
from weft.simulator.fake_device import FakeDevice
from weft.simulator.fake_drafter import FakeDrafter
from weft.simulator.fake_executor import Device
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_beams, reference_logprobs, reference_output


class CampaignModel(Protocol):
    """A model in a world."""

    config: EngineConfig
    fingerprint: str

    def device(self) -> Device:
        """One for a new engine."""

    def output(self, request: Request, sample: int) -> tuple[int, ...]:
        """The whole of an output."""

    def logprobs(self, request: Request, sample: int, output: tuple[int, ...]) -> tuple[TokenLogprobs, ...]:
        """Of the tokens of a beginning of it, for a request that asks for them."""

    def close(self) -> None:
        """It is needed no more."""


class FakeModel:
    """The content-checking one."""

    def __init__(self, world: World) -> None:
        layout = StateLayout(LAYOUTS[world.engine.layout], BLOCK_TOKENS)
        self._spec = FakeModelSpec(layout, VOCABULARY, world.engine.stop_bias)
        self.fingerprint = self._spec.fingerprint
        self.config = self._config(world)

    def _config(self, world: World) -> EngineConfig:
        plan, groups = world.engine, self._spec.layout.groups
        sizes = {
            group.name: plan.num_snapshots if isinstance(group, ConstantGroup) else plan.num_blocks
            for group in groups
        }
        moved = [group.name for group in groups if not isinstance(group, EncoderGroup)]
        drafter = partial(FakeDrafter, self._spec, world.seed, 2, 0.6, plan.drafts == "tree")
        return EngineConfig(
            self._spec.layout,
            sizes,
            dict.fromkeys(moved, plan.num_host_blocks) if plan.num_host_blocks else {},
            plan.max_step_tokens,
            plan.max_running,
            plan.max_queued_tokens,
            prefix_caching=plan.prefix_caching,
            reservation=Reservation.WORST_CASE if plan.worst_case else Reservation.PAGED,
            order=plan.order,
            budget=plan.budget,
            preempt=plan.preempt,
            retain=plan.retain,
            draft=None if plan.drafts == "none" else drafter,
        )

    def device(self) -> FakeDevice:
        """It checks that it is driven by the contract."""
        config = self.config
        return FakeDevice(self._spec, config.num_blocks, config.num_host_blocks, config.max_step_tokens)

    def output(self, request: Request, sample: int) -> tuple[int, ...]:
        """By the reference."""
        if request.sampling.beam_width > 1:
            return reference_beams(self._spec, request)
        return reference_output(self._spec, request, sample)

    def logprobs(self, request: Request, sample: int, output: tuple[int, ...]) -> tuple[TokenLogprobs, ...]:
        """By the reference."""
        del sample  # they are those of the model, whatever noise chose the token
        return reference_logprobs(self._spec, request, output)

    def close(self) -> None:
        """It holds nothing."""


def make_model(world: World) -> CampaignModel:
    """That of a world."""
    if world.model == "fake":
        return FakeModel(world)
    return BuiltinModel(world)
