"""The cards there are."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from weft.papers.card import Card, CardError

IDS = (
    "orca",
    "vllm-pagedattention",
    "burstgpt",
    "traceupscaler",
    "datacenter-gpu-as-computer",
    "ets-itertime",
    "idealized-runtime",
    "beyond-inference-overheads",
    "chunked-prefill",
    "vtc",
    "andes",
    "trail",
    "tiny-quanta",
    "tech-scheduling-lb",
    "prequal",
    "tech-health-checks",
    "ray",
    "flashattention-2",
    "tech-compression-quant",
)
"""In the order in which they are listed; the file of a card is named by its id, with underscores."""


def find_card(card_id: str) -> Card[Any]:
    """The card of a paper; raises `CardError` for an unknown id."""
    if card_id not in IDS:
        close = get_close_matches(card_id, IDS, n=1)
        advice = f"did you mean {close[0]}?" if close else f"choose from {', '.join(IDS)}"
        raise CardError(f"there is no card {card_id!r}; {advice}")
    card: Card[Any] = import_module(f"weft.papers.{card_id.replace('-', '_')}").CARD
    return card
