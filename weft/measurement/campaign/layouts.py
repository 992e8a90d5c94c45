"""The kinds of model whose state engines keep in random worlds, and the text that prompts share."""

from random import Random

from weft.contracts.state import ConstantGroup, EncoderGroup, PagedGroup, StateGroup

STOP_TOKEN = 5
VOCABULARY = 97
BLOCK_TOKENS = 4
HASH_TOKENS = 8

LAYOUTS: dict[str, tuple[StateGroup, ...]] = {
    "paged": (PagedGroup("kv", 8),),
    "windowed": (PagedGroup("kv", 8), PagedGroup("local", 8, window_tokens=6)),
    "recurrent": (ConstantGroup("ssm", 64, snapshot_blocks=2),),
    "hybrid": (PagedGroup("kv", 8), ConstantGroup("ssm", 64)),
    "media": (PagedGroup("kv", 8), EncoderGroup("vision", 8)),
}
"""Layers that see all tokens, some of them or a summary; with and without pictures."""

COMMON_TEXT = tuple(Random(0).randrange(VOCABULARY) for _ in range(40))
"""What many prompts begin with."""
