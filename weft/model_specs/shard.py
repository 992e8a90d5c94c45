"""What one device holds of a model under a plan."""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import AnyFormat
from weft.contracts.state import DEFAULT_BLOCK_TOKENS, PagedGroup, StateLayout
from weft.model_specs.plan import Plan

if TYPE_CHECKING:
    from weft.model_specs.model_spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Shard:
    """Sizes on each device; raises `ConfigurationError` where the plan does not divide the model.

    Where there are fewer heads of keys and values than `tp`, each is kept on several devices. The vocabulary is
    cut into parts of equal size, the last one padded. Under `cp` each rank has an equal share of attention and of the
    kept state on average, which is counted in whole numbers: that is why `cp` must divide the numbers of a head.
    """

    spec: "ModelSpec"
    plan: Plan

    def __post_init__(self) -> None:
        self._check_heads()
        self._check_inner_sizes()
        self._check_experts()
        self._check_context()
        self.plan.stage_layers(self.spec.num_layers)

    def _check_heads(self) -> None:
        heads, kv_heads, tp = self.spec.num_heads, self.spec.num_kv_heads, self.plan.tp
        if heads % tp:
            raise ConfigurationError(f"tp is {tp}; it must divide the {heads} attention heads")
        if kv_heads % tp and tp % kv_heads:
            raise ConfigurationError(
                f"tp is {tp}; it must divide the {kv_heads} key-value heads or be a multiple of them"
            )

    def _check_inner_sizes(self) -> None:
        tp, experts = self.plan.tp, self.spec.experts
        sizes = {"intermediate_size": self.spec.intermediate_size}
        if experts is not None:
            sizes["shared_inner_size of the experts"] = experts.shared_inner_size
            if self.plan.ep == 1:
                sizes["inner_size of the experts"] = experts.inner_size
        for name, size in sizes.items():
            if size % tp:
                raise ConfigurationError(f"tp is {tp}; it must divide the {name} ({size})")

    def _check_experts(self) -> None:
        experts, ep = self.spec.experts, self.plan.ep
        if ep > 1 and experts is None:
            raise ConfigurationError(f"ep is {ep}, but the model has no experts; set ep to 1")
        if experts is not None and experts.num_experts % ep:
            raise ConfigurationError(
                f"ep is {ep}; it must divide the {experts.num_experts} experts of a layer"
            )

    def _check_context(self) -> None:
        cp, latent = self.plan.cp, self.spec.structure.latent
        sizes = {"head_dim": self.spec.head_dim}
        if latent is not None:
            names = ("plain_dim", "rotary_dim", "state_rank", "value_dim")
            sizes = {f"{name} of latent attention": getattr(latent, name) for name in names}
        for name, size in sizes.items():
            if size % cp:
                raise ConfigurationError(f"cp is {cp}; it must divide the {name} ({size})")

    def own_units(self, num_units: int) -> int:
        """Of so many tokens of a step, those of the rank that has the most."""
        return ceil(num_units / self.plan.cp)

    @property
    def num_heads(self) -> int:
        """Query heads of a device."""
        return self.spec.num_heads // self.plan.tp

    @property
    def num_kv_heads(self) -> int:
        """Heads of keys and values of a device, at least one."""
        return max(1, self.spec.num_kv_heads // self.plan.tp)

    @property
    def intermediate_size(self) -> int:
        """Numbers inside the feed-forward on a device."""
        return self.spec.intermediate_size // self.plan.tp

    @property
    def vocab_size(self) -> int:
        """Rows of the tables on a device."""
        return ceil(self.spec.vocab_size / self.plan.tp)

    @property
    def state_size(self) -> int:
        """Numbers that a layer keeps per token on a device: compressed state is on each of them in full."""
        latent = self.spec.structure.latent
        return latent.state_size if latent is not None else 2 * self.num_kv_heads * self.spec.head_dim

    def state_layout(
        self, stage: int, state_format: AnyFormat, block_tokens: int = DEFAULT_BLOCK_TOKENS
    ) -> StateLayout:
        """The state groups of a device of a stage: those of the model, with the layers that it has.

        Under `cp` a block lies on all ranks, its tokens spread over them.
        """
        if block_tokens % self.plan.cp:
            raise ConfigurationError(f"cp is {self.plan.cp}; it must divide block_tokens ({block_tokens})")
        layers = self.plan.stage_layers(self.spec.num_layers)[stage]
        layer_bytes = self.state_size * state_format.num_bits // (8 * self.plan.cp)
        counts = ((group, sum(layer in layers for layer in group.layers)) for group in self.spec.layer_groups)
        groups = (
            PagedGroup(group.name, count * layer_bytes, group.window_tokens)
            for group, count in counts
            if count
        )
        return StateLayout(tuple(groups), block_tokens)
