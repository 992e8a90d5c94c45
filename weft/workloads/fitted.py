"""Named workloads: generators fitted to published traces or put together from published figures, which ship as data."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from weft.workloads.arrivals import Arrivals
from weft.workloads.audience import ANYBODY, Audience, Sender, tenants
from weft.workloads.distributions import Counts, Distribution, Gamma, Quantiles
from weft.workloads.generated import GeneratedWorkload
from weft.workloads.lengths import Independent, Joint, PairedLengths
from weft.workloads.rate_profiles import RateProfile, Steady, windows
from weft.workloads.shapes import Conversation, SessionShape, Single

NAMES = (
    *(
        "agents",
        "arena",
        "azure-code",
        "azure-conv",
        "burstgpt",
        "mooncake-conversation",
        "multi-turn",
        "pulses",
    ),
    "sharegpt",
)


@cache
def description(name: str) -> Mapping[str, Any]:
    """The numbers of a named workload as they ship: sources, parameters, and how well they fit."""
    text = (files("weft.workloads") / "named" / f"{name}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def fitted_workload(name: str, seed: int = 0) -> GeneratedWorkload:
    """The named workload at the rate of its source; `name` is one of `NAMES`."""
    return workload_from(description(name), seed)


def workload_from(data: Mapping[str, Any], seed: int = 0) -> GeneratedWorkload:
    """The generator with these numbers."""
    shape = _shape(data)
    arrivals = Arrivals(data["rate_per_s"] / shape.mean_turns, _gaps(data["gaps"]), _profile(data))
    return GeneratedWorkload(data["name"], arrivals, shape, seed)


def _gaps(data: Mapping[str, Any]) -> Distribution:
    return Gamma(1.0, data["gamma_cv"]) if "gamma_cv" in data else Quantiles.from_data(data)


def _profile(data: Mapping[str, Any]) -> RateProfile:
    if "profile" not in data:
        return Steady()
    return windows(data["profile"]["window_s"], tuple(data["profile"]["levels"]))


def _shape(data: Mapping[str, Any]) -> SessionShape:
    audience = _audience(data)
    if "conversation" not in data:
        return Single(_lengths(data["lengths"]), audience)
    later = data["conversation"]
    return Conversation(
        Counts(tuple(later["turn_weights"])),
        _lengths(data["lengths"]),
        _lengths(later["later"]),
        Quantiles.from_data(later["delay_s"]),
        audience,
        later["most_prompt_tokens"],
    )


def _lengths(data: Mapping[str, Any]) -> PairedLengths:
    prompt = Quantiles.from_data(data["prompt"])
    if "output" in data:
        return Independent(prompt, Quantiles.from_data(data["output"]))
    outputs = tuple(
        Quantiles.from_data({"at": data["output_at"], "values": values}) for values in data["outputs"]
    )
    return Joint(prompt, tuple(data["edges"]), outputs)


def _audience(data: Mapping[str, Any]) -> Audience:
    if "tenant_weights" in data:
        return tenants(data["tenant_weights"])
    if "prefix_tokens" in data:
        return Audience((Sender(prefix_tokens=data["prefix_tokens"]),), (1.0,))
    return ANYBODY
