"""What must be known of a measured load beside its figures, as sentences."""

from collections.abc import Iterator

from weft.measurement.serving_bench import ServingBench
from weft.measurement.serving_figures import ServingReport
from weft.measurement.serving_requests import Bodies

LAG_SHARE = 0.1
"""Of the median time to the first token, that the client's own lateness may be at its 99th percentile."""
PROMPT_SHARE = 0.01
"""By which prompts may differ in length from those intended before it is told."""


def notes(bench: ServingBench, is_interrupted: bool) -> list[str]:
    """How the server was asked where that was not exact; warnings begin with `warning: `."""
    report = bench.report()
    return [
        *_how_asked(bench.bodies),
        *_lengths(bench, report),
        *(f"warning: {problem}" for problem in _problems(bench, report, is_interrupted)),
    ]


def _how_asked(bodies: Bodies) -> Iterator[str]:
    if bodies.vocabulary_tokens is None:
        yield (
            "prompts are text of about the intended number of tokens: "
            + ("chats are" if bodies.endpoint == "chat" else "the server takes no token ids")
            + f"; {bodies.wording.tokens_per_word:.2f} tokens per word, {bodies.wording.added_tokens:.0f} added"
        )
    if not bodies.forces_length:
        yield "the server takes no ignore_eos and min_tokens: outputs may end before the intended length"


def _lengths(bench: ServingBench, report: ServingReport) -> Iterator[str]:
    if bench.num_uncounted:
        yield (
            f"{bench.num_uncounted} answers came without usage: their output tokens are the pieces of the stream, "
            "their prompt tokens those intended"
        )
    if bench.num_other_lengths:
        yield f"{bench.num_other_lengths} of {report.num_requests} outputs have another length than intended"
    intended = bench.intended_prompt_tokens
    if abs(report.prompt_tokens - intended) > PROMPT_SHARE * intended:
        yield f"prompts have {report.prompt_tokens} tokens in all, {intended} were intended"


def _problems(bench: ServingBench, report: ServingReport, is_interrupted: bool) -> Iterator[str]:
    if is_interrupted:
        yield f"interrupted; {bench.num_cut_short} requests were under way and are in no figure"
    if report.num_failed:
        yield f"{report.num_failed} requests failed; the latencies are those of the others"
    yield from _unsteady(bench)
    yield from _lagging(bench, report)


def _unsteady(bench: ServingBench) -> Iterator[str]:
    growth = bench.outstanding.growth()
    if growth is None:
        yield "too few requests came in the second half to tell whether the server was in a steady state; send more"
    elif not growth.is_steady:
        yield (
            f"not in a steady state: {growth.third_quarter:.1f} requests were outstanding in the third quarter of the "
            f"run and {growth.last_quarter:.1f} in the last, so latencies grow with the length of the run; lower the "
            "rate, or measure longer where the load only fluctuates"
        )


def _lagging(bench: ServingBench, report: ServingReport) -> Iterator[str]:
    lag_s = bench.lag.quantile(0.99)
    if lag_s is None or report.ttft is None or lag_s <= LAG_SHARE * report.ttft.median_s:
        return
    yield (
        f"this client was late: 99 % of requests were ready within {1e3 * lag_s:.1f} ms of their time, and the median "
        f"time to the first token is {1e3 * report.ttft.median_s:.1f} ms; lower the rate or free its processor"
    )
