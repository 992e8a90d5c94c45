"""Small models of every structure, with plans that divide them, and random steps."""

from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st

from weft.contracts.formats import NumberFormat
from weft.hardware.catalogue import find_cluster
from weft.hardware.cluster import Cluster
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats, ForwardWork, Span
from weft.model_specs.plan import Plan
from weft.model_specs.quantization import QUANTIZATIONS, STATE_FORMATS
from weft.model_specs.rope import RopeSpec
from weft.model_specs.structure import LatentAttention, Structure

HALF = Formats(NumberFormat.BFLOAT16, NumberFormat.BFLOAT16, NumberFormat.BFLOAT16)

PLAIN = ModelSpec(
    architecture="Small",
    vocab_size=1001,
    hidden_size=256,
    num_heads=8,
    num_kv_heads=2,
    head_dim=32,
    intermediate_size=512,
    layer_windows=(None,) * 5,
    norm_eps=1e-6,
    rope=RopeSpec(10_000.0, 32),
    max_length_tokens=4096,
    ties_embeddings=False,
    qkv_bias=True,
    output_bias=False,
    mlp_bias=False,
    has_head_norms=True,
    stored_format=NumberFormat.BFLOAT16,
)
EXPERTS = ExpertsSpec(16, 4, 64, sums_to_one=True)
LATENT = LatentAttention(96, 64, plain_dim=32, rotary_dim=16, value_dim=32)

MODELS: dict[str, ModelSpec] = {
    "plain": PLAIN,
    "windows": replace(PLAIN, layer_windows=(None, 7, 7, None, 40)),
    "mixture": replace(PLAIN, experts=EXPERTS),
    "mixture with dense and shared": replace(
        PLAIN, experts=replace(EXPERTS, dense_layers=(0, 3), shared_inner_size=128)
    ),
    "learned positions": replace(
        PLAIN, structure=Structure(gated=False, norm_bias=True, learned_positions=4098), mlp_bias=True
    ),
    "parallel": replace(
        PLAIN,
        num_kv_heads=1,
        ties_embeddings=True,
        structure=Structure(gated=False, norm_bias=True, parallel=True, norms_per_layer=1),
    ),
    "latent": replace(
        PLAIN,
        num_kv_heads=8,
        head_dim=48,
        rope=RopeSpec(10_000.0, 16),
        qkv_bias=False,
        has_head_norms=False,
        experts=replace(EXPERTS, dense_layers=(0,), shared_inner_size=64),
        structure=Structure(latent=LATENT),
    ),
}

PLANS = (
    Plan(),
    Plan(tp=2),
    Plan(tp=4, pp=2),
    Plan(tp=2, pp=3, layers_per_stage=(1, 3, 1)),
    Plan(tp=2, dp=4),
    Plan(tp=8),
    Plan(cp=2),
    Plan(tp=2, cp=4, pp=2),
    Plan(tp=8, cp=2),
)
EXPERT_PLANS = (
    Plan(tp=4, ep=4),
    Plan(tp=2, dp=4, ep=8),
    Plan(tp=1, dp=2, pp=2, ep=2),
    Plan(tp=4, dp=4, ep=16),
    Plan(tp=2, cp=4, dp=2, ep=16),
    Plan(tp=1, cp=4, ep=4),
)


def _with_every_format(cluster: Cluster) -> Cluster:
    """Its device computes in every format; a peak that it does not have is made up."""
    device = cluster.device
    peaks = {**device.peak_flops, "float4": 4e15}
    return replace(cluster, node=replace(cluster.node, device=replace(device, peak_flops=peaks)))


CLUSTER = _with_every_format(find_cluster("4x4xh100"))
FORMATS = st.builds(
    Formats,
    st.sampled_from(NumberFormat),
    st.sampled_from(list(STATE_FORMATS.values())),
    st.sampled_from(NumberFormat),
    st.sampled_from([None, *QUANTIZATIONS.values()]),
)


class Step(NamedTuple):
    """A mixed step, as the compiled costs take it and as the operations take it."""

    contexts: list[int]
    chunks: list[tuple[int, int]]
    num_outputs: int

    @property
    def num_tokens(self) -> int:
        return len(self.contexts) + sum(tokens for tokens, _ in self.chunks)

    @property
    def work(self) -> ForwardWork:
        decodes = tuple(Span(context, 1) for context in self.contexts)
        return ForwardWork(
            (*decodes, *(Span(context, tokens) for tokens, context in self.chunks)), self.num_outputs
        )

    def visible(self, spec: ModelSpec) -> list[int]:
        windows = [group.window_tokens for group in spec.layer_groups]
        return [
            sum(context + 1 if window is None else min(context + 1, window) for context in self.contexts)
            for window in windows
        ]

    @property
    def longest(self) -> int:
        return max(self.contexts, default=-1) + 1

    def arguments(self, spec: ModelSpec) -> tuple[int, int, int, list[int], list[tuple[int, int]], int]:
        decodes = len(self.contexts)
        return self.num_tokens, self.num_outputs, decodes, self.visible(spec), self.chunks, self.longest


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Decodes and chunks (some of one token), with logits for none, some or all tokens; at least one token."""
    contexts = draw(st.lists(st.integers(0, 3000), max_size=6))
    chunks = draw(st.lists(st.tuples(st.sampled_from((1, 2, 3, 17, 600)), st.integers(0, 3000)), max_size=4))
    if not contexts and not chunks:
        contexts = [draw(st.integers(0, 3000))]
    step = Step(contexts, chunks, 0)
    return step._replace(num_outputs=draw(st.integers(0, step.num_tokens)))


@st.composite
def placed_models(draw: st.DrawFn) -> tuple[ModelSpec, Plan]:
    """A model and a plan that divides it."""
    spec = MODELS[draw(st.sampled_from(list(MODELS)))]
    plans = PLANS + EXPERT_PLANS if spec.experts is not None else PLANS
    return spec, draw(st.sampled_from(plans))
