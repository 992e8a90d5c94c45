"""The load of a validation: the same requests, at the same times, for the live service and for the simulated one."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.workloads.registry import find_workload
from weft.workloads.streams import named_stream


class Order(NamedTuple):
    """A request that arrives so many seconds after the beginning of a run, and how long its output will be."""

    arrival_s: float
    request: Request
    output_tokens: int


class Orders(NamedTuple):
    """Of one run. `num_capped`: requests that were too long for the model and were cut."""

    orders: tuple[Order, ...]
    num_capped: int

    @property
    def mean_output_tokens(self) -> float:
        """Of a request."""
        return sum(order.output_tokens for order in self.orders) / len(self.orders)


class Scale(NamedTuple):
    """How a workload is made to fit a model: lengths are divided by `divisor`, and none is above `longest_tokens`."""

    divisor: int
    longest_tokens: int
    vocabulary_tokens: int


def make_orders(workload: str, scale: Scale, rate_per_s: float, num_requests: int, seed: int) -> Orders:
    """The first requests of a workload, their times stretched so that they come at this rate; an infinite one has all
    come at once. Prompts are random tokens that no two requests share, chosen greedily up to the intended length."""
    lengths = list(islice(_lengths(workload, seed), num_requests))
    span_s = lengths[-1][0] or 1.0
    stretch = len(lengths) / rate_per_s / span_s
    fitted = [_fit(prompt, output, scale) for _, prompt, output in lengths]
    random = named_stream(seed, "prompts of a validation")
    orders = []
    for number, ((arrival_s, *_), (prompt_tokens, output_tokens, _)) in enumerate(
        zip(lengths, fitted, strict=True)
    ):
        tokens = tuple(int(random.random() * scale.vocabulary_tokens) for _ in range(prompt_tokens))
        sampling = SamplingParams(max_tokens=output_tokens, temperature=0.0, ignore_eos=True)
        request = Request(f"{seed}.{number}", TokenPrompt(tokens), sampling)
        orders.append(Order(arrival_s * stretch, request, output_tokens))
    return Orders(tuple(orders), sum(is_cut for _, _, is_cut in fitted))


def _lengths(workload: str, seed: int) -> Iterator[tuple[float, int, int]]:
    """Time of arrival, tokens of the prompt, tokens of the output."""
    for session in find_workload(workload, seed=seed).sessions():
        for turn in session.turns:
            yield session.arrival_s, turn.prompt.num_tokens, turn.output_tokens


def _fit(prompt_tokens: int, output_tokens: int, scale: Scale) -> tuple[int, int, bool]:
    """Both lengths, and whether they had to be cut: the output first keeps what it needs."""
    wanted = max(1, prompt_tokens // scale.divisor), max(1, output_tokens // scale.divisor)
    output = min(wanted[1], scale.longest_tokens - 1)
    prompt = min(wanted[0], scale.longest_tokens - output)
    return prompt, output, (prompt, output) != wanted
