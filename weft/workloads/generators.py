"""Ready-made kinds of generated workloads; whatever else is wanted is put together from their parts."""

from weft.workloads.arrivals import Arrivals
from weft.workloads.audience import ANYBODY, Audience, zipf_tenants
from weft.workloads.checks import MOST_TOKENS
from weft.workloads.distributions import Distribution, Fixed, Gamma, LogNormal
from weft.workloads.generated import GeneratedWorkload
from weft.workloads.lengths import Independent, PairedLengths
from weft.workloads.shapes import Conversation, Single


def requests(arrivals: Arrivals, lengths: PairedLengths, seed: int = 0) -> GeneratedWorkload:
    """Requests that stand alone and share nothing."""
    return GeneratedWorkload("requests", arrivals, Single(lengths), seed)


def fixed_lengths(prompt_tokens: int, output_tokens: int) -> Independent:
    """The same lengths for every request."""
    return Independent(Fixed(prompt_tokens), Fixed(output_tokens))


def shared_prefixes(
    arrivals: Arrivals,
    lengths: PairedLengths,
    num_tenants: int,
    system_prompt_tokens: int,
    zipf_exponent: float = 1.0,
    seed: int = 0,
) -> GeneratedWorkload:
    """Requests of tenants with a system prompt each; a tenant's share follows Zipf's law.

    `lengths` are those after the system prompt.
    """
    audience = zipf_tenants(num_tenants, system_prompt_tokens, zipf_exponent)
    return GeneratedWorkload("shared-prefixes", arrivals, Single(lengths, audience), seed)


def conversations(
    arrivals: Arrivals,
    first: PairedLengths,
    later: PairedLengths,
    num_turns: Distribution,
    mean_think_s: float,
    think_cv: float = 1.0,
    audience: Audience = ANYBODY,
    most_prompt_tokens: int = MOST_TOKENS,
    seed: int = 0,
) -> GeneratedWorkload:
    """People who read an answer, think for a gamma time and go on.

    `arrivals` are those of conversations, not of single turns. Other parameters as in `Conversation`.
    """
    thinking = Gamma(mean_think_s, think_cv)
    shape = Conversation(num_turns, first, later, thinking, audience, most_prompt_tokens)
    return GeneratedWorkload("conversations", arrivals, shape, seed)


def agents(
    arrivals: Arrivals,
    task: PairedLengths,
    tool_results: PairedLengths,
    num_calls: Distribution,
    mean_tool_s: float,
    tool_cv: float = 1.0,
    instructions_tokens: int = 0,
    most_prompt_tokens: int = MOST_TOKENS,
    seed: int = 0,
) -> GeneratedWorkload:
    """Agents that call the model, run a tool for a lognormal time and call again with its result.

    `instructions_tokens`: of the tools' descriptions, with which the prompts of all agents begin.
    `tool_results`: tokens of a result, and the output of the call that reads it.
    """
    audience = zipf_tenants(1, instructions_tokens)
    gaps = LogNormal(mean_tool_s, tool_cv)
    shape = Conversation(num_calls, task, tool_results, gaps, audience, most_prompt_tokens)
    return GeneratedWorkload("agents", arrivals, shape, seed)
