"""A draft model beside the served one, on the same devices: its cost, the room it takes, and how often it is right."""

from dataclasses import dataclass, replace

from weft.contracts.errors import ConfigurationError
from weft.contracts.state import PagedGroup
from weft.costs.memory import Memory, activation_bytes, weights_bytes
from weft.costs.roofline import Roofline
from weft.costs.step_costs import StepCosts
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Formats
from weft.model_specs.plan import Plan
from weft.model_specs.shard import Shard


@dataclass(frozen=True, slots=True)
class SpeculationOptions:
    """What users choose: the draft model by name or path, how many tokens it guesses for each step of the served
    model, and the chance that a guess is right where all before it are.

    Raises `ConfigurationError` for numbers that cannot be.
    """

    model: str
    num_tokens: int
    acceptance_rate: float

    def __post_init__(self) -> None:
        if self.num_tokens < 1:
            raise ConfigurationError(f"num_speculative_tokens is {self.num_tokens}; it must be at least 1")
        if not 0.0 <= self.acceptance_rate <= 1.0:
            raise ConfigurationError(
                f"acceptance_rate is {self.acceptance_rate}; it is a chance, so it must be from 0 to 1"
            )


def speculation_options(
    model: str | None, num_tokens: int | None, acceptance_rate: float | None
) -> SpeculationOptions | None:
    """All of them or none; raises `ConfigurationError` where some are missing."""
    given = {
        "speculative_model": model,
        "num_speculative_tokens": num_tokens,
        "acceptance_rate": acceptance_rate,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if model is None or num_tokens is None or acceptance_rate is None:
        raise ConfigurationError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; speculation takes "
            "speculative_model, num_speculative_tokens and acceptance_rate together"
        )
    return SpeculationOptions(model, num_tokens, acceptance_rate)


@dataclass(frozen=True, slots=True)
class Speculation:
    """A draft model, cut as the served one is. The host is waited for once per step, so `costs` do not wait for it.

    `block_bytes`: of a block of tokens in the draft model's cache, on the device that has the most of it.
    """

    spec: ModelSpec
    formats: Formats
    costs: StepCosts
    plan: Plan
    block_bytes: int
    options: SpeculationOptions

    @property
    def windows_tokens(self) -> tuple[int | None, ...]:
        """Per layer group of the draft model, how far back its layers see."""
        return tuple(group.window_tokens for group in self.spec.layer_groups)

    def beside(self, memory: Memory, max_num_batched_tokens: int, max_num_seqs: int) -> Memory:
        """What is left of a device's memory: weights come on top, one model's activations follow the other's, and each
        block holds state of both. Raises `ConfigurationError` where not one block fits."""
        shard, stages = Shard(self.spec, self.plan), range(self.plan.pp)
        weights = max(weights_bytes(shard, stage, self.formats) for stage in stages)
        passing = (
            activation_bytes(shard, stage, self.formats, max_num_batched_tokens, max_num_seqs)
            for stage in stages
        )
        activations = max(memory.activation_bytes, *passing)
        state = memory.state_bytes - weights - (activations - memory.activation_bytes)
        block = memory.block_bytes + self.block_bytes
        if state < block:
            raise ConfigurationError(
                f"speculative model {self.options.model} needs {weights >> 20} MiB per device for weights and "
                f"{memory.state_bytes >> 20} MiB are left beside the served model; take a smaller one, or devices with "
                "more memory"
            )
        return Memory(memory.weights_bytes + weights, activations, state, block, state // block)


def plan_speculation(
    options: SpeculationOptions,
    served: ModelSpec,
    draft: ModelSpec,
    formats: Formats,
    roofline: Roofline,
    longest_tokens: int,
    block_tokens: int,
) -> Speculation:
    """A draft model for the `served` one, which `roofline` costs and places; experts of the draft model are cut by
    `tp`.

    Raises `ConfigurationError` where the two do not go together, or the plan does not divide the draft model.
    """
    _check_pair(options.model, served, draft, longest_tokens)
    plan, unhosted = roofline.plan, replace(roofline.server, step_s=0.0, sequence_s=0.0)
    own_plan = Plan(tp=plan.tp, pp=plan.pp, cp=plan.cp)
    try:
        costs = StepCosts(draft, formats, replace(roofline, plan=own_plan, server=unhosted))
        block_bytes = _block_bytes(draft, own_plan, formats, block_tokens)
    except ConfigurationError as error:
        raise ConfigurationError(f"speculative model {options.model}: {error}") from None
    return Speculation(draft, formats, costs, own_plan, block_bytes, options)


def _check_pair(name: str, served: ModelSpec, draft: ModelSpec, longest_tokens: int) -> None:
    if draft.vocab_size != served.vocab_size:
        raise ConfigurationError(
            f"speculative model {name} has a vocabulary of {draft.vocab_size} tokens and the served model one of "
            f"{served.vocab_size}; take one of the same family"
        )
    if draft.max_length_tokens < longest_tokens:
        raise ConfigurationError(
            f"speculative model {name} was made for at most {draft.max_length_tokens} tokens and sequences may have "
            f"{longest_tokens}; set max_model_len to at most {draft.max_length_tokens}"
        )


def _block_bytes(spec: ModelSpec, plan: Plan, formats: Formats, block_tokens: int) -> int:
    layouts = (Shard(spec, plan).state_layout(stage, formats.state, block_tokens) for stage in range(plan.pp))
    return max(
        sum(group.bytes_per_token * block_tokens for group in layout.groups if isinstance(group, PagedGroup))
        for layout in layouts
    )
