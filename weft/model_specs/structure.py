"""What sets other decoders apart from Llama's layer, as data: enough to plan for a model, not to run it."""

from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    Queries pass through `query_rank` numbers, keys and values of all heads through `state_rank`, and those are
    what is kept, with one rotated key of `rotary_dim` that the heads share. A head's query and key have
    `plain_dim + rotary_dim` numbers, its value `value_dim`.
    """

    query_rank: int
    state_rank: int
    plain_dim: int
    rotary_dim: int
    value_dim: int

    def __post_init__(self) -> None:
        for name in ("query_rank", "state_rank", "plain_dim", "rotary_dim", "value_dim"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def state_size(self) -> int:
        """Numbers kept per token and layer, whatever the number of heads."""
        return self.state_rank + self.rotary_dim

    @property
    def down_size(self) -> int:
        """Numbers per token that the first product gives: both ranks and the shared key."""
        return self.query_rank + self.state_size

    def parameters(self, hidden_size: int, num_heads: int) -> int:
        """Numbers in the products and in the norms of both ranks."""
        queries = self.query_rank * num_heads * (self.plain_dim + self.rotary_dim)
        expansion = self.state_rank * num_heads * (self.plain_dim + self.value_dim)
        output = num_heads * self.value_dim * hidden_size
        norms = self.query_rank + self.state_rank
        return hidden_size * self.down_size + queries + expansion + output + norms


@dataclass(frozen=True, slots=True)
class Structure:
    """How a layer is built. The defaults are Llama's, and only those can be run.

    `gated`: the feed-forward has a gate beside its way up. `norm_bias`: norms are layer norms, with a bias.
    `parallel`: attention and feed-forward read the same input and are added together; `norms_per_layer` is then
    1 where they also share its norm. `learned_positions`: rows of a table of positions that is added to the
    embedding; 0 means rotary positions. `latent`: how keys and values are compressed.
    """

    gated: bool = True
    norm_bias: bool = False
    parallel: bool = False
    norms_per_layer: int = 2
    learned_positions: int = 0
    latent: LatentAttention | None = None

    def __post_init__(self) -> None:
        if self.norms_per_layer not in ((1, 2) if self.parallel else (2,)):
            raise ConfigurationError(
                f"norms_per_layer is {self.norms_per_layer}; it must be 2, or 1 in a parallel layer"
            )
        if self.learned_positions < 0:
            raise ConfigurationError(f"learned_positions is {self.learned_positions}; it must be at least 0")


LLAMA_STRUCTURE = Structure()
"""RMS norms before attention and before a gated feed-forward, one after the other; rotary positions."""
