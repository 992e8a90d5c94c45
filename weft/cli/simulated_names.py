"""Names on the command line that mean something in a simulation only."""

from collections.abc import Callable
from typing import Any

import click

from weft.cli.policy_options import PolicyName, with_policies
from weft.policies.choices import KINDS, MAKERS
from weft.policies.registry import make_order_policy
from weft.simulator.deployment_cluster import check_hardware
from weft.simulator.oracle import is_oracle, oracle_factory


class HardwareName(click.ParamType[str]):
    """Hardware of the catalogue, with counts or without, or this machine. Raises `ConfigurationError` for other names;
    whether it is enough, its plan tells."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text."""
        check_hardware(value)
        return value


class SimulatedOrder(PolicyName):
    """An order, which may be one that knows the lengths of outputs."""

    def __init__(self) -> None:
        super().__init__(make_order_policy)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text."""
        if not is_oracle(value):
            return super().convert(value, param, ctx)
        oracle_factory(value)
        return value


def simulated_policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of `policy_options`, where true lengths are known."""
    return with_policies(
        command, {kind: PolicyName(MAKERS[kind]) for kind in KINDS} | {"order": SimulatedOrder()}
    )
