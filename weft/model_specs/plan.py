"""A placement of one model on devices."""

from dataclasses import dataclass
from itertools import accumulate

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Plan:
    """How many ways each axis of the mesh cuts the model.

    `tp`: heads and inner sizes of each layer (Megatron-LM, arXiv 1909.08053, section 3). `pp`: the layers, into
    stages (GPipe, arXiv 1811.06965); `layers_per_stage` says how many each has, None: evenly, the first ones
    taking what is left over. `dp`: whole copies, each with work of its own. `ep`: experts, whole ones per device;
    1 leaves each expert cut by `tp`, the other choice is `dp * cp * tp`, all devices of a stage. `cp`: the tokens of
    a step and the kept state of each sequence; every rank has all weights that `tp` leaves it (Ring Attention, arXiv
    2310.01889; for inference Yang et al., arXiv 2411.01783).

    Devices are numbered with `tp` innermost, then `cp`, then `pp`, then `dp`.
    """

    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    cp: int = 1
    layers_per_stage: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("tp", "pp", "dp", "ep", "cp"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least 1")
        of_stage = self.dp * self.stage_devices
        if self.ep not in (1, of_stage):
            raise ConfigurationError(f"ep is {self.ep}; it must be 1 or dp * cp * tp ({of_stage})")
        self._check_stages()

    def _check_stages(self) -> None:
        given = self.layers_per_stage
        if given is not None and (len(given) != self.pp or min(given) < 1):
            raise ConfigurationError(
                f"layers_per_stage is {given}; give a number from 1 on for each of the {self.pp} stages"
            )

    @property
    def num_devices(self) -> int:
        """Devices in all."""
        return self.stage_devices * self.pp * self.dp

    @property
    def stage_devices(self) -> int:
        """Devices of one stage of one copy."""
        return self.tp * self.cp

    def stage_layers(self, num_layers: int) -> tuple[range, ...]:
        """The layers of each stage; raises `ConfigurationError` where a model's layers cannot be cut so."""
        counts = self.layers_per_stage or self._even_counts(num_layers)
        if sum(counts) != num_layers:
            raise ConfigurationError(
                f"layers_per_stage is {counts}, {sum(counts)} layers; the model has {num_layers}"
            )
        ends = list(accumulate(counts))
        return tuple(range(end - count, end) for end, count in zip(ends, counts, strict=True))

    def _even_counts(self, num_layers: int) -> tuple[int, ...]:
        if self.pp > num_layers:
            raise ConfigurationError(f"pp is {self.pp}; the model has {num_layers} layers, so at most that")
        each, left = divmod(num_layers, self.pp)
        return tuple(each + (stage < left) for stage in range(self.pp))


ONE_DEVICE = Plan()
"""Everything on one device."""
