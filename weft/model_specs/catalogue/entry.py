"""One model of the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """`name`: its id at Hugging Face. `config`: the numbers of its config.json that shape it.

    `published_billions`: parameters as its publisher states them, `active_billions` of these those that one token
    involves, with the `source`.
    """

    name: str
    config: Mapping[str, object]
    published_billions: float
    source: str
    active_billions: float | None = None
