"""Serving a model several times on one machine: what each may take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import serving_options
from weft.executor.limits import available_processors
from weft.executor.loading import cache_share, free_bytes
from weft.executor.serving_plan import ServingPlan, plan_serving


def plan_share(
    directory: Path, given: Mapping[str, Any], replicas: int
) -> tuple[ServingPlan, dict[str, Any]]:
    """What one of so many replicas takes, and its options (of `ServingOptions`, by name): an equal share of memory and
    processors where none are given.

    Raises `ConfigurationError` for what keeps the model from being served so often.
    """
    options = dict(given)
    checked = serving_options(options)
    if checked.num_threads is None:
        options["num_threads"] = max(1, available_processors() // replicas)
    plan = plan_serving(directory, serving_options(options))
    if checked.kv_cache_memory_bytes is None:
        device = torch.device(plan.device)
        free = free_bytes(device)
        left = free - replicas * plan.weights_bytes
        if left <= 0:
            raise ConfigurationError(
                f"the weights of {replicas} replicas need {replicas * plan.weights_bytes >> 20} MiB and {free >> 20} "
                f"MiB are free on {device}; serve fewer replicas, or a smaller model"
            )
        options["kv_cache_memory_bytes"] = min(plan.cache_bytes, cache_share(left, device) // replicas)
        plan = plan_serving(directory, serving_options(options))
    return plan, options
