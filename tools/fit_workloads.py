"""Fit the named workloads of `weft/workloads/named` to published traces.

    python tools/fit_workloads.py TRACES [NAME ...]

TRACES is a folder with azure2023/, mooncake/, vtc_arena/ and lengths/ (see SOURCES). What is written are quantiles,
rates and how well a generated load agrees with the trace; no row of a trace is kept. Parquet needs pyarrow.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from tools.workload_fit_quality import Requests, compare, generated_requests
from weft.contracts.prompts import HashPrompt
from weft.workloads.distributions import Quantiles
from weft.workloads.fitted import workload_from
from weft.workloads.trace import TraceWorkload

TARGET = Path(__file__).resolve().parents[1] / "weft" / "workloads" / "named"
LENGTHS_AT = (0, 0.01, 0.025, *(step / 40 for step in range(2, 39)), 0.975, 0.99, 0.995, 0.999, 1)
GAPS_AT = (0, 0.01, 0.05, *(step / 10 for step in range(1, 10)), 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 1)
OUTPUTS_AT = (0, 0.02, 0.05, *(step / 10 for step in range(1, 10)), 0.95, 0.98, 0.995, 1)
BINS = 10
SHARED_TOKENS = 512
"""Every prompt of Mooncake's conversation trace begins with the same block of this many tokens."""
UNTIMED_RATE_PER_S = 1.0


class Source(NamedTuple):
    """A trace and what is to be told about it. `window_s`: of the rate profile; None fits none."""

    file: str
    what: str
    citation: str
    licence: str
    window_s: float | None = None
    by_tenant: bool = False


AZURE = "Azure/AzurePublicDataset; Patel et al., Splitwise, ISCA 2024"
SOURCES = {
    "azure-conv": Source(
        "azure2023/AzureLLMInferenceTrace_conv.csv",
        "conversations of an Azure service on 2023-11-16, 58 minutes",
        AZURE,
        "CC-BY-4.0",
        window_s=60.0,
    ),
    "azure-code": Source(
        "azure2023/AzureLLMInferenceTrace_code.csv",
        "code completion of an Azure service on 2023-11-16, 57 minutes",
        AZURE,
        "CC-BY-4.0",
        window_s=10.0,
    ),
    "arena": Source(
        "vtc_arena/requests.parquet",
        "27 clients made from the LMSYS Chatbot Arena log, 10 minutes",
        "Ying1123/VTC-artifact; Sheng et al., Fairness in Serving Large Language Models, OSDI 2024",
        "Apache-2.0",
        window_s=60.0,
        by_tenant=True,
    ),
    "sharegpt": Source(
        "lengths/sharegpt_V3_lens.parquet",
        "first exchanges of ShareGPT conversations; it tells no times, so arrivals are Poisson",
        "AKafakA/vidur_opt_scheduler, lengths of ShareGPT V3 in Llama-2 tokens",
        "MIT",
    ),
    "mooncake-conversation": Source(
        "mooncake/conversation_trace.jsonl",
        "long conversations of Kimi, 59 minutes",
        "kvcache-ai/Mooncake; Qin et al., Mooncake, FAST 2025",
        "Apache-2.0",
        window_s=300.0,
    ),
}


def main() -> None:
    """Fit all workloads, or those named, and write one JSON file each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", type=Path)
    parser.add_argument("names", nargs="*", default=[*SOURCES, "burstgpt"])
    arguments = parser.parse_args()
    for name in arguments.names:
        data = burstgpt() if name == "burstgpt" else fitted(name, arguments.traces)
        (TARGET / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        print(name, json.dumps(data["fit"]))


def fitted(name: str, traces: Path) -> dict[str, Any]:
    """The parameters of one workload, with its sources and the quality of the fit."""
    source = SOURCES[name]
    trace = TraceWorkload(traces / source.file, untimed_rate_per_s=UNTIMED_RATE_PER_S)
    data = {"name": name, "what": source.what, "source": source.citation, "licence": source.licence}
    requests = Requests.of(trace)
    data |= conversation_parts(trace, source) if "mooncake" in name else single_parts(requests, trace, source)
    generated = generated_requests(workload_from(data, seed=1), len(requests.prompts))
    return data | {"fit": compare(requests, generated, timed=trace.is_timed)}


def single_parts(requests: Requests, trace: TraceWorkload, source: Source) -> dict[str, Any]:
    """Parameters where each request stands alone."""
    parts = {**arrival_parts(requests.times_s, source), "lengths": joint(requests.prompts, requests.outputs)}
    if source.by_tenant:
        counts = Counter(session.client.tenant for session in trace.sessions())
        parts["tenant_weights"] = [count for _, count in counts.most_common()]
    return parts


def arrival_parts(times_s: Sequence[float], source: Source) -> dict[str, Any]:
    """Rate, rate profile, and the quantiles of gaps in operational time (1 arrival per unit on average)."""
    if source.window_s is None:
        return {"rate_per_s": UNTIMED_RATE_PER_S, "gaps": {"gamma_cv": 1.0}}
    levels = window_counts(times_s, source.window_s)
    parts: dict[str, Any] = {
        "rate_per_s": significant(sum(levels) / (len(levels) * source.window_s)),
        "profile": {"window_s": source.window_s, "levels": levels},
    }
    if len(dict.fromkeys(times_s)) < len(times_s) / 2:
        return parts | {"gaps": {"gamma_cv": 1.0}}
    unit_times = operational_times(times_s, levels, source.window_s)
    gaps = [later - earlier for earlier, later in pairwise(unit_times)]
    return parts | {"gaps": quantiles(gaps, GAPS_AT, significant)}


def window_counts(times_s: Sequence[float], window_s: float) -> list[int]:
    """Arrivals per window; what is left over at the end and shorter than a window is dropped."""
    counts = [0] * int(times_s[-1] // window_s)
    for time_s in times_s:
        if time_s < len(counts) * window_s:
            counts[int(time_s // window_s)] += 1
    return counts


def operational_times(times_s: Sequence[float], counts: Sequence[int], window_s: float) -> list[float]:
    """Times mapped through the cumulative rate, so that one arrival comes per unit everywhere."""
    before = [sum(counts[:index]) for index in range(len(counts))]
    mapped = []
    for time_s in times_s:
        index, share = int(time_s // window_s), time_s % window_s / window_s
        if index < len(counts):
            mapped.append(before[index] + share * counts[index])
    return mapped


def joint(prompts: Sequence[int], outputs: Sequence[int]) -> dict[str, Any]:
    """Quantiles of prompts, and of outputs given in which tenth of the prompts they are."""
    order = sorted(range(len(prompts)), key=lambda index: (prompts[index], index))
    edges = [step / BINS for step in range(BINS + 1)]
    parts = [
        [outputs[index] for index in order[int(low * len(order)) : int(high * len(order))]]
        for low, high in pairwise(edges)
    ]
    return {
        "prompt": quantiles(prompts, LENGTHS_AT, round),
        "edges": edges,
        "output_at": list(OUTPUTS_AT),
        "outputs": [quantiles(part, OUTPUTS_AT, round)["values"] for part in parts],
    }


def conversation_parts(trace: TraceWorkload, source: Source) -> dict[str, Any]:
    """Parameters of conversations, whose turns are found through the hashes of their prompts."""
    threads = find_threads(trace)
    firsts = [thread[0] for thread in threads]
    pairs = [pair for thread in threads for pair in pairwise(thread)]
    added = [after.prompt - before.prompt - before.output for before, after in pairs]
    counts = Counter(len(thread) for thread in threads)
    parts = arrival_parts([first.time_s for first in firsts], source)
    parts["rate_per_s"] = significant(parts["rate_per_s"] * sum(map(len, threads)) / len(threads))
    return parts | {
        "prefix_tokens": SHARED_TOKENS,
        "lengths": joint(
            [max(1, one.prompt - SHARED_TOKENS) for one in firsts], [one.output for one in firsts]
        ),
        "conversation": {
            "turn_weights": [counts[turns] for turns in range(1, max(counts) + 1)],
            "later": {
                "prompt": quantiles([max(1, tokens) for tokens in added], LENGTHS_AT, round),
                "output": quantiles([after.output for _, after in pairs], LENGTHS_AT, round),
            },
            "delay_s": quantiles([b.time_s - a.time_s for a, b in pairs], LENGTHS_AT, significant),
            "most_prompt_tokens": 131_072,
        },
    }


class Asked(NamedTuple):
    """One request of a thread."""

    time_s: float
    prompt: int
    output: int


def find_threads(trace: TraceWorkload) -> list[list[Asked]]:
    """A request continues another where its prompt contains all but the last block of that one's prompt."""
    thread_of_end: dict[int, list[Asked]] = {}
    threads: list[list[Asked]] = []
    for session in trace.sessions():
        (turn,) = session.turns
        prompt = turn.prompt
        assert isinstance(prompt, HashPrompt)
        asked = Asked(session.arrival_s, prompt.num_tokens, turn.output_tokens)
        found = [thread_of_end[key] for key in prompt.hashes[1:] if key in thread_of_end]
        thread = found[-1] if found and found[-1][-1].prompt < asked.prompt else []
        if not thread:
            threads.append(thread)
        thread.append(asked)
        if len(prompt.hashes) > 2:
            thread_of_end[prompt.hashes[-2]] = thread
    return threads


def burstgpt() -> dict[str, Any]:
    """BurstGPT from published figures alone, since its tables are not at hand."""
    return {
        "name": "burstgpt",
        "what": "GPT-4 conversations of an Azure region, 61 days; lengths independent of each other",
        "source": "lengths: Sun et al., Llumnix, OSDI 2024, table 1 (BurstGPT), quoted from memory and "
        "not yet checked against the paper; gamma gaps of shape 0.5: the "
        "default of HPMLL/BurstGPT's generator (Wang et al., KDD 2025); mean rate: 1,429,737 requests in 61 days; "
        "levels: inferred sessions by hour of the day in BurstGPT_1, perryz0/BurstGPT",
        "licence": "figures from the publications; the data set itself is CC-BY-4.0",
        "rate_per_s": significant(1_429_737 / (61 * 86_400)),
        "gaps": {"gamma_cv": significant(0.5**-0.5)},
        "profile": {"window_s": 3600.0, "levels": list(BURSTGPT_HOURS)},
        "lengths": {
            "prompt": with_mean((1, 582, 1427, 2345, 3549, 4096), mean=830.0),
            "output": with_mean((1, 243, 434, 669, 964, 2048), mean=271.0),
        },
        "fit": {"published": "nothing to compare with: the parameters are the published figures"},
    }


BURSTGPT_HOURS = tuple(
    round(count / 53152, 3)
    for count in (
        *(53097, 51713, 33337, 30471, 21970, 20457, 11523, 8998, 9324, 18234, 41893, 67256),
        *(101401, 84445, 98301, 71462, 75549, 71690, 65409, 87528, 73298, 62284, 60387, 55616),
    )
)


def with_mean(values: Sequence[int], mean: float) -> dict[str, list[float]]:
    """Published quantiles (0, 50, 80, 95, 99, 100 %), with the lower quartile that gives the published mean."""
    at = (0, 0.25, 0.5, 0.8, 0.95, 0.99, 1)
    low, high = float(values[0]), float(values[1])
    for _ in range(60):
        middle = (low + high) / 2
        tried = Quantiles(at, (values[0], middle, *values[1:]))
        low, high = (middle, high) if tried.mean < mean else (low, middle)
    return {"at": list(at), "values": [values[0], round(low), *values[1:]]}


def quantiles(
    values: Sequence[float], at: Sequence[float], rounded: Callable[[float], float]
) -> dict[str, list[float]]:
    """Quantiles of a sample, in the form of package data."""
    ordered = sorted(values)
    return {"at": list(at), "values": [rounded(ordered[round(p * (len(ordered) - 1))]) for p in at]}


def significant(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


if __name__ == "__main__":
    main()
