"""Write the named workloads that no single trace tells: `multi-turn`, `agents` and `pulses`.

    python tools/compose_workloads.py TRACES [NAME ...]

TRACES is a folder with agentic/ (see AGENTS). Parts that nobody has published are ours, and the files say so. Reading
the trace of agents needs zstandard.
"""

import argparse
import json
from collections import Counter
from datetime import datetime
from itertools import pairwise
from math import erf, exp, log, sqrt
from pathlib import Path
from typing import Any, NamedTuple

from tools.fit_workloads import LENGTHS_AT, TARGET, quantiles, significant
from tools.workload_fit_quality import Requests, compare
from weft.workloads.fitted import workload_from
from weft.workloads.reading.opening import opened_text

AGENTS = "agentic/tau2_retail_10_litellm.jsonl.zst"
UNTIMED = {"rate_per_s": 1.0, "gaps": {"gamma_cv": 1.0}}
"""Where nothing tells a rate: Poisson arrivals, a request per second."""


def main() -> None:
    """Write all of them, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", type=Path)
    parser.add_argument("names", nargs="*", default=["agents", "multi-turn", "pulses"])
    arguments = parser.parse_args()
    for name in arguments.names:
        data = agents(arguments.traces / AGENTS) if name == "agents" else MADE[name]()
        (TARGET / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        print(name, json.dumps(data["fit"]))


class Call(NamedTuple):
    """One request of an agent, and when its answer was there."""

    ended_s: float
    prompt: int
    output: int


def agents(path: Path) -> dict[str, Any]:
    """Lengths, calls per session and the times between answers of recorded agents."""
    runs = read_agents(path)
    shared = min(run[0].prompt for run in runs) - 1
    pairs = [pair for run in runs for pair in pairwise(run)]
    counts = Counter(len(run) for run in runs)
    data = {
        "name": "agents",
        "what": "customer-service agents of tau2-bench (retail) with tools, 10 sessions; it tells no rate, so arrivals "
        "are Poisson. Times between calls contain the original answer, and waits for tools and a simulated customer",
        "source": "inference-sim/inference-sim, traces/exgentic/tau2_retail_10 (claude-haiku-4-5, April 2026)",
        "licence": "Apache-2.0",
        **UNTIMED,
        "prefix_tokens": shared,
        "lengths": _independent([run[0].prompt - shared for run in runs], [run[0].output for run in runs]),
        "conversation": {
            "turn_weights": [counts[calls] for calls in range(1, max(counts) + 1)],
            "later": _independent(
                [max(1, after.prompt - before.prompt - before.output) for before, after in pairs],
                [after.output for _, after in pairs],
            ),
            "delay_s": quantiles([b.ended_s - a.ended_s for a, b in pairs], AGENTS_AT, significant),
            "most_prompt_tokens": 131_072,
        },
    }
    return data | {"fit": _agreement(data, runs)}


AGENTS_AT = tuple(step / 20 for step in range(21))
"""Ten sessions have a hundred calls, of which no finer quantiles can be told."""


def read_agents(path: Path) -> list[list[Call]]:
    """The calls of each session, without the probe of one word that each began with."""
    runs: dict[str, list[Call]] = {}
    with opened_text(path) as lines:
        for line in lines:
            row = json.loads(line)
            record = row["rec"]
            ended_s = datetime.fromisoformat(record["timestamp"]).timestamp()
            call = Call(ended_s, record["prompt_tokens"], record["completion_tokens"])
            runs.setdefault(row["session"], []).append(call)
    return [[call for call in run if call.output > 1] for run in runs.values()]


def _independent(prompts: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"prompt": quantiles(prompts, AGENTS_AT, round), "output": quantiles(outputs, AGENTS_AT, round)}


def _agreement(data: dict[str, Any], runs: list[list[Call]]) -> dict[str, Any]:
    """With twenty times as many generated requests, since the recorded ones are few."""
    calls = [call for run in runs for call in run]
    recorded = Requests([], [call.prompt for call in calls], [call.output for call in calls], 0.0)
    generated = workload_from(data, seed=1)
    made = Requests.of(generated, 20 * len(calls))
    figures = compare(recorded, made._replace(reuse_share=0.0), timed=False)
    recorded_calls, made_calls = significant(len(calls) / len(runs)), significant(generated.shape.mean_turns)
    return figures | {"calls_per_session": [recorded_calls, made_calls]}


def multi_turn() -> dict[str, Any]:
    """The synthetic conversations of vLLM's benchmark of several turns, with times to think, which it has none of."""
    return {
        "name": "multi-turn",
        "what": "synthetic conversations of 6 to 9 turns that begin with the same 500 tokens and a document of about "
        "1,000; exponential times to think of 15 s on average and the rate are ours",
        "source": "vllm-project/vllm, benchmarks/multi_turn/generate_multi_turn.json: messages, tokens of prefixes, of "
        "questions and of answers; its lognormal has a median of 0.85 times the mean (bench_dataset.py)",
        "licence": "figures from the publication; the repository is Apache-2.0",
        **UNTIMED,
        "prefix_tokens": 500,
        "lengths": {"prompt": _lognormal(1000.0, 0.85, 5000.0, 140.0), "output": _uniform(80, 120)},
        "conversation": {
            # 12 to 18 messages, rounded up to whole pairs of question and answer
            "turn_weights": [0, 0, 0, 0, 0, 1, 2, 2, 2],
            "later": {"prompt": _uniform(120, 160), "output": _uniform(80, 120)},
            "delay_s": _exponential(15.0),
            "most_prompt_tokens": 131_072,
        },
        "fit": {"published": "nothing to compare with: the parameters are the published figures"},
    }


def pulses() -> dict[str, Any]:
    """Azure's conversations under a load that is ten times as high for 5 s of each minute."""
    lengths = json.loads((TARGET / "azure-conv.json").read_text(encoding="utf-8"))
    return {
        "name": "pulses",
        "what": "lengths of azure-conv; Poisson arrivals at ten times the usual rate for the last 5 s of each minute; "
        "pattern and rate are ours",
        "source": lengths["source"],
        "licence": lengths["licence"],
        **UNTIMED,
        "profile": {"window_s": 5.0, "levels": [*[1] * 11, 10]},
        "lengths": lengths["lengths"],
        "fit": {"published": "lengths: see azure-conv"},
    }


MADE = {"multi-turn": multi_turn, "pulses": pulses}


def _uniform(low: int, high: int) -> dict[str, list[float]]:
    return {"at": [0, 1], "values": [low, high]}


def _exponential(mean: float) -> dict[str, list[float]]:
    values = [significant(-mean * log(1.0 - at)) for at in LENGTHS_AT[1:-1]]
    return {"at": list(LENGTHS_AT), "values": [0.0, *values, significant(-mean * log(1e-4))]}


def _lognormal(mean: float, median_share: float, most: float, beside: float) -> dict[str, list[float]]:
    """Its quantiles, cut at `most`, and `beside` more tokens each."""
    deviation, middle = sqrt(-2.0 * log(median_share)), log(mean * median_share)
    values = [round(beside + min(most, exp(middle + deviation * _normal(at)))) for at in LENGTHS_AT[1:-1]]
    low = round(beside + exp(middle + deviation * _normal(1e-4)))
    return {"at": list(LENGTHS_AT), "values": [low, *values, round(beside + most)]}


def _normal(probability: float) -> float:
    """The quantile of the standard normal distribution, by bisection."""
    low, high = -8.0, 8.0
    for _ in range(60):
        middle = (low + high) / 2
        below = (1.0 + erf(middle / sqrt(2.0))) / 2
        low, high = (middle, high) if below < probability else (low, middle)
    return low


if __name__ == "__main__":
    main()
