"""The deployment that a recorded run is predicted with."""

from dataclasses import replace
from typing import Any

from weft.contracts.options import ServingOptions
from weft.costs.servers import TAKING_TURNS
from weft.measurement.validation.recorded_run import RecordedRun
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import DeploymentOptions


def plan_run(run: RecordedRun, **choices: Any) -> Deployment:
    """As the run's facts say; `choices`: fields of `DeploymentOptions` on top of them.

    Sequences may be as long as the longest recorded one, so that an estimate of memory refuses no run that there was.
    Raises `ConfigurationError` for an unknown name and for what does not fit.
    """
    facts = run.facts
    serving = ServingOptions(
        dtype=facts.dtype,
        max_model_len=longest_tokens(run),
        max_num_seqs=facts.max_num_seqs,
        max_num_batched_tokens=facts.max_num_batched_tokens,
        block_tokens=facts.block_tokens,
        enable_prefix_caching=facts.prefix_caching,
        depth=1 if facts.server.endswith(TAKING_TURNS) else 2,
    )
    options = DeploymentOptions(
        hardware=facts.hardware,
        replicas=facts.dp,
        router="least_outstanding",
        tp=facts.tp,
        pp=facts.pp,
        ep=facts.ep,
        cp=facts.cp,
        dp=facts.dp if facts.ep > 1 else 1,
        server=facts.server,
        quantization=facts.quantization,
        kv_cache_dtype=facts.kv_cache_dtype,
        serving=serving,
    )
    return _with_blocks(plan_deployment(facts.model, replace(options, **choices)), facts.kv_blocks)


def longest_tokens(run: RecordedRun) -> int:
    """Of a sequence of the run; of steps, which do not tell, a guess that hardly matters: no sequence is simulated."""
    requests = [each.input_tokens + each.output_tokens for each in run.requests]
    points = [each.input_tokens + each.output_tokens for each in run.points]
    return max(requests + points, default=1) + 1


def _with_blocks(deployment: Deployment, num_blocks: int | None) -> Deployment:
    """The server's own count in place of what is predicted."""
    if num_blocks is None:
        return deployment
    config = deployment.config
    return replace(
        deployment, config=replace(config, num_blocks=dict.fromkeys(config.num_blocks, num_blocks))
    )
