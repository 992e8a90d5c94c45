"""A simulation's result in lines, as a terminal shows it."""

from weft.measurement.serving_figures import UNKNOWN, WIDTH
from weft.measurement.simulation import SimulationResult
from weft.model_specs.operations import Formats
from weft.simulator.deployment import Deployment
from weft.simulator.speculation import SpeculationOptions

GIBIBYTE = 1 << 30


def describe_deployment(model: str, deployment: Deployment) -> list[str]:
    """What is about to be simulated."""
    plan, memory, options = deployment.plan, deployment.memory, deployment.options
    blocks = max(deployment.config.num_blocks.values())
    tokens = blocks * deployment.config.layout.block_tokens
    chosen = options.speculation
    drafts = [] if chosen is None else [_drafts(chosen)]
    return [
        f"model      {model}, {deployment.spec.num_parameters / 1e9:.1f} B parameters, "
        f"{_formats(deployment.formats)}",
        f"hardware   {options.replicas} x {plan.num_devices // plan.dp} {deployment.cluster.device.name} "
        f"(tp {plan.tp}, pp {plan.pp}, ep {plan.ep}, cp {plan.cp}, dp {plan.dp}), router {options.router}",
        f"memory     weights {memory.weights_bytes / GIBIBYTE:.1f} GiB per device; {blocks:,} blocks for {tokens:,} "
        "tokens per replica",
        *drafts,
        f"costs      {deployment.roofline.profile}, server {options.server}",
    ]


def _drafts(chosen: SpeculationOptions) -> str:
    return f"drafts     {chosen.model}, {chosen.num_tokens} tokens, each right with chance {chosen.acceptance_rate:g}"


def _formats(formats: Formats) -> str:
    """As chosen: that of most numbers, then what differs."""
    quantized = "" if formats.quantization is None else f", linear layers in {formats.quantization.name}"
    is_apart = formats.state is not formats.activation
    return f"{formats.weight.value}{quantized}{f', cache in {formats.state.value}' if is_apart else ''}"


def describe_result(result: SimulationResult) -> list[str]:
    """The block of `vllm bench serve`, and what only a simulation tells."""
    bar = f"{'=' * WIDTH}"
    own = (
        ("Offered request rate (req/s):", f"{result.offered_per_s:.2f}"),
        ("Replicas busy (%):", f"{100 * result.utilisation:.1f}"),
        ("KV cache in use, mean / peak (%):", _pair(result.kv_usage_mean, result.kv_usage_peak)),
        ("Prefix cache hits (%):", f"{100 * result.prefix_hit_share:.1f}"),
        ("Preemptions:", str(result.preemptions)),
        *_drafted(result),
        ("Energy of the devices, at most (kJ):", _known(result.joules, 1e-3)),
        ("Cost per million output tokens ($):", _known(result.cost_per_million_output_tokens)),
    )
    lines = [f"{label:<40} {value}" for label, value in own]
    return [
        *result.serving.as_text().splitlines()[:-1],
        f"{'Simulation':-^{WIDTH}}",
        *lines,
        bar,
        error_bar(result),
    ]


def error_bar(result: SimulationResult) -> str:
    """What the predictions rest on, and how far from them what was measured lay."""
    error = result.relative_error
    known = "error unknown" if error is None else f"± {100 * error:.3g} % (80 % of what was measured)"
    return f"Weft {result.version}, profile: {result.profile}, server: {result.server}: {known}."


def _drafted(result: SimulationResult) -> list[tuple[str, str]]:
    length = result.mean_acceptance_length
    return [] if length is None else [("Mean acceptance length (tokens):", f"{length:.2f}")]


def _pair(mean: float, peak: float) -> str:
    return f"{100 * mean:.1f} / {100 * peak:.1f}"


def _known(value: float | None, factor: float = 1.0) -> str:
    return UNKNOWN if value is None else f"{value * factor:,.2f}"
