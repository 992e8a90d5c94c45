"""Orders that know how long outputs will be, as only a simulation can: bounds for those that guess."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import signature

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import SequenceView
from weft.engine.config import EngineConfig
from weft.policies.knobs import read_settings, split_choice
from weft.policies.registry import ORACLE_SUFFIX, POLICIES, load_policy


class TrueLengths:
    """Tells the rest of each output; of a request with several, that of the longest. `lengths`: by request."""

    def __init__(self, lengths: Mapping[str, Sequence[int]]) -> None:
        self._lengths = lengths

    def remaining(self, sequence: SequenceView) -> float:
        """At least 1."""
        return max(1.0, self.total(sequence) - sequence.num_output_tokens)

    def total(self, sequence: SequenceView) -> float:
        """Of the longest."""
        return float(max(self._lengths[sequence.request.request_id]))


def with_oracle(config: EngineConfig, lengths: Mapping[str, Sequence[int]]) -> EngineConfig:
    """The same, where its order is one like `srpt_oracle`: that order with true lengths.

    Raises `ConfigurationError` for an oracle of an order that expects no lengths.
    """
    if not isinstance(config.order, str) or not is_oracle(config.order):
        return config
    return replace(config, order=partial(oracle_factory(config.order), lengths=TrueLengths(lengths)))


def is_oracle(order: str) -> bool:
    """Whether an order is chosen with true lengths."""
    return ORACLE_SUFFIX in order


def oracle_factory(order: str) -> Callable[..., object]:
    """What makes such an order, given its `lengths`.

    Raises `ConfigurationError` for an order that there is not, or that expects no lengths, and for wrong settings.
    """
    name, settings = split_choice(order)
    base = name.removesuffix(ORACLE_SUFFIX)
    factory = load_policy("order", base)
    if "lengths" not in signature(factory).parameters:
        able = [
            each
            for each in POLICIES["order"]
            if "lengths" in signature(load_policy("order", each)).parameters
        ]
        raise ConfigurationError(
            f"order {base!r} expects no lengths; oracles there are for {', '.join(able)}"
        )
    return partial(factory, **read_settings(base, factory, settings))
