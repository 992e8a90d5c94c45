"""A decoder-only transformer as data: its sizes, its layers and the state that each keeps.

Covers what Llama, Mistral, Qwen2 and Qwen3 share: RMS norms before attention and before a gated SiLU
feed-forward, rotary positions, grouped query heads. In a mixture, experts take the feed-forward's place. What
other models have instead (`Structure`) can be planned for, not run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import AnyFormat, NumberFormat
from weft.contracts.state import DEFAULT_BLOCK_TOKENS, StateLayout
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.forward_operations import ForwardPass
from weft.model_specs.operations import Formats, ForwardWork, Operation
from weft.model_specs.plan import ONE_DEVICE, Plan
from weft.model_specs.quantization import Quantization
from weft.model_specs.rope import RopeSpec
from weft.model_specs.shard import Shard
from weft.model_specs.structure import LLAMA_STRUCTURE, Structure


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Layers whose keys and values live in one state group, because they see equally far back.

    `layers`: their indices, ascending; the i-th of them is the i-th layer within a block of the group.
    """

    name: str
    window_tokens: int | None
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What config.json says of a model.

    `architecture`: the class name in config.json. `hidden_size`, `intermediate_size`: numbers per token in
    the residual stream and inside the feed-forward. `num_heads` query heads of `head_dim` numbers share
    `num_kv_heads` heads of keys and values. `layer_windows`: per layer, how many tokens a token sees: itself
    and the window - 1 before it; None sees all. `norm_eps`: added to the mean square in RMS norms.
    `max_length_tokens`: the longest sequence that the model was made for, after rope scaling.
    `ties_embeddings`: the logits product uses the embedding table. `qkv_bias`, `output_bias`, `mlp_bias`:
    which products add a bias. `has_head_norms`: query and key of each head get an RMS norm before rotation.
    `stored_format`: of the checkpoint's weights. `experts`: what some layers have in place of the feed-forward.
    `structure`: how a layer is built. With latent attention `head_dim` is that of queries and keys; with learned
    positions `rope` has no effect.
    """

    architecture: str
    vocab_size: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    layer_windows: tuple[int | None, ...]
    norm_eps: float
    rope: RopeSpec
    max_length_tokens: int
    ties_embeddings: bool
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    has_head_norms: bool
    stored_format: NumberFormat
    experts: ExpertsSpec | None = None
    structure: Structure = LLAMA_STRUCTURE

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_heads()
        self._check_layers()
        if not (isfinite(self.norm_eps) and self.norm_eps > 0.0):
            raise ConfigurationError(f"norm_eps is {self.norm_eps}; it must be a finite number above 0")

    def _check_sizes(self) -> None:
        names = ("vocab_size", "hidden_size", "num_heads", "num_kv_heads", "head_dim", "intermediate_size")
        for name in (*names, "max_length_tokens"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least 1")

    def _check_heads(self) -> None:
        if self.num_heads % self.num_kv_heads:
            raise ConfigurationError(
                f"num_kv_heads is {self.num_kv_heads}; it must divide num_heads ({self.num_heads})"
            )
        if self.head_dim % 2:
            raise ConfigurationError(f"head_dim is {self.head_dim}; it must be even to be rotated in pairs")
        latent = self.structure.latent
        if latent is not None and latent.plain_dim + latent.rotary_dim != self.head_dim:
            raise ConfigurationError(
                f"head_dim is {self.head_dim}; latent attention makes it {latent.plain_dim + latent.rotary_dim}"
            )
        name, rotated = ("head_dim", self.head_dim) if latent is None else ("rotary_dim", latent.rotary_dim)
        if self.rope.num_dimensions != rotated:
            raise ConfigurationError(
                f"rope turns {self.rope.num_dimensions} dimensions; it must be the {name} ({rotated})"
            )

    def _check_layers(self) -> None:
        if not self.layer_windows:
            raise ConfigurationError("layer_windows is empty; a model has at least one layer")
        for window in self.layer_windows:
            if window is not None and window < 1:
                raise ConfigurationError(f"layer_windows has {window}; a window is at least 1 token or None")

    @property
    def num_layers(self) -> int:
        """How many layers there are."""
        return len(self.layer_windows)

    def experts_of(self, layer: int) -> ExpertsSpec | None:
        """The experts of a layer, or None where it has a feed-forward."""
        return self.experts if self.experts is not None and self.experts.are_in(layer) else None

    @property
    def expert_layers(self) -> tuple[int, ...]:
        """The layers that have experts, ascending."""
        return tuple(layer for layer in range(self.num_layers) if self.experts_of(layer) is not None)

    @property
    def layer_groups(self) -> tuple[LayerGroup, ...]:
        """The layers by window, in the order of each group's first layer; every layer is in exactly one."""
        layers_by_window: dict[int | None, list[int]] = {}
        for layer, window in enumerate(self.layer_windows):
            layers_by_window.setdefault(window, []).append(layer)
        return tuple(
            LayerGroup(_group_name(window), window, tuple(layers))
            for window, layers in layers_by_window.items()
        )

    def state_layout(self, state_format: AnyFormat, block_tokens: int = DEFAULT_BLOCK_TOKENS) -> StateLayout:
        """The state groups that the engine pages: one per layer group, keys and values in `state_format`."""
        return Shard(self, ONE_DEVICE).state_layout(0, state_format, block_tokens)

    @property
    def num_parameters(self) -> int:
        """Numbers in the checkpoint; a tied embedding table counts once."""
        return self._outer_parameters + sum(map(self.layer_parameters, range(self.num_layers)))

    @property
    def num_active_parameters(self) -> int:
        """Of these, the numbers that one token's pass involves: of the experts only those that it goes to.

        Both tables count in full, as in the figures that publishers of mixtures state.
        """
        return self._outer_parameters + sum(map(self.active_layer_parameters, range(self.num_layers)))

    def layer_parameters(self, layer: int) -> int:
        """Numbers in the weights, biases and norms of a layer."""
        experts = self.experts_of(layer)
        if experts is None:
            return self._attention_parameters + self._feed_forward_parameters
        return self._attention_parameters + experts.parameters_of(self.hidden_size, experts.num_experts)

    def active_layer_parameters(self, layer: int) -> int:
        """Of these, the numbers that one token's pass involves."""
        experts = self.experts_of(layer)
        if experts is None:
            return self.layer_parameters(layer)
        return self._attention_parameters + experts.parameters_of(self.hidden_size, experts.num_chosen)

    @property
    def _outer_parameters(self) -> int:
        rows = self.vocab_size * (1 if self.ties_embeddings else 2) + self.structure.learned_positions
        return rows * self.hidden_size + self._norm_parameters

    @property
    def _norm_parameters(self) -> int:
        return self.hidden_size * (2 if self.structure.norm_bias else 1)

    @property
    def _attention_parameters(self) -> int:
        """The norms of the layer among them."""
        norms = self.structure.norms_per_layer * self._norm_parameters
        if self.structure.latent is not None:
            return self.structure.latent.parameters(self.hidden_size, self.num_heads) + norms
        query_size = self.num_heads * self.head_dim
        qkv_size = query_size + 2 * self.num_kv_heads * self.head_dim
        weights = self.hidden_size * (qkv_size + query_size)
        biases = self.qkv_bias * qkv_size + self.output_bias * self.hidden_size
        return weights + biases + norms + self.has_head_norms * 2 * self.head_dim

    @property
    def _feed_forward_parameters(self) -> int:
        ways_up = 2 if self.structure.gated else 1
        biases = self.mlp_bias * (ways_up * self.intermediate_size + self.hidden_size)
        return (ways_up + 1) * self.hidden_size * self.intermediate_size + biases

    def operations(
        self,
        work: ForwardWork,
        weight_format: NumberFormat,
        state_format: AnyFormat,
        activation_format: NumberFormat,
        quantization: Quantization | None = None,
        plan: Plan = ONE_DEVICE,
    ) -> Iterator[Operation]:
        """What one fused pass over `work` computes, moves and sends, in order.

        Under a plan: on one device of each stage, one stage after the other; `work` is that of one of the `dp`
        copies. Raises `ConfigurationError` where the plan does not divide the model.
        """
        formats = Formats(weight_format, state_format, activation_format, quantization)
        return ForwardPass(Shard(self, plan), work, formats).operations()


def _group_name(window_tokens: int | None) -> str:
    return "attention" if window_tokens is None else f"attention_window_{window_tokens}"
