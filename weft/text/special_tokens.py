"""Which ids the special tokens have, and what is put around an encoded text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError
from weft.text.settings import TokenizerSettings


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """`texts`: by role. `ids`: all of them, also those without a role."""

    texts: Mapping[str, str]
    ids: frozenset[int]
    bos: int | None
    eos: int | None

    def surround(self, ids: list[int], *, bos: bool, eos: bool) -> list[int]:
        """These ids with the begin and the end of a sequence around them, where asked for and known."""
        before = [self.bos] if bos and self.bos is not None else []
        after = [self.eos] if eos and self.eos is not None else []
        return before + ids + after


def find_special_tokens(
    settings: TokenizerSettings, id_of: Callable[[str], int | None], own: frozenset[int], where: str
) -> SpecialTokens:
    """Looks the settings' special tokens up in a vocabulary.

    `own`: ids that the tokenizer's own file calls special. Raises ConfigurationError where the vocabulary
    lacks the begin or the end of a sequence: without the end, no output would end by itself.
    """
    texts = settings.special_tokens
    for name in ("bos_token", "eos_token"):
        if name in texts and id_of(texts[name]) is None:
            raise ConfigurationError(
                f"{where} has no token {texts[name]!r}, which its configuration names as {name}; "
                "correct tokenizer_config.json or special_tokens_map.json"
            )
    named = [*texts.values(), *settings.extra_special]
    ids = frozenset(token_id for text in named if (token_id := id_of(text)) is not None)
    marked = frozenset(token.token_id for token in settings.added_tokens if token.special)
    bos, eos = (id_of(texts[name]) if name in texts else None for name in ("bos_token", "eos_token"))
    return SpecialTokens(texts, own | ids | marked, bos, eos)
