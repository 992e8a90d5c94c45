"""Nodes: what actors run on."""

from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError
from weft.hardware.cluster import Node as Hardware


@dataclass(slots=True)
class Node:
    """A machine, or the part of one that is lent as a whole.

    `hardware`: None where it has no devices, or nobody asks. `price_per_hour`: in US dollars, of all of it; None where
    not known. `is_available`: whether actors can be started on it now.
    Raises `ConfigurationError` for an empty name and a price that cannot be.
    """

    name: str
    hardware: Hardware | None = None
    price_per_hour: float | None = None
    is_available: bool = True

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigurationError("a node has no name; give it one")
        if self.price_per_hour is not None and not 0.0 <= self.price_per_hour < float("inf"):
            raise ConfigurationError(
                f"node {self.name!r}: price_per_hour is {self.price_per_hour}; give a finite number of at least 0"
            )
