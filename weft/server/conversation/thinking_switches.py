"""How a client of any protocol switches a model's thinking on and off."""

from collections.abc import Sequence

from weft.llm.language_model import LanguageModel
from weft.server.errors import ApiError


def thinking_switches(llm: LanguageModel) -> Sequence[str]:
    """Names by which this model's template switches thinking; none where it has no such switch."""
    abilities = llm.prompting.abilities
    return () if abilities is None else abilities.switches


def switched(llm: LanguageModel, param: str, said: str, *, on: bool) -> dict[str, bool]:
    """Variables of the template that switch thinking as the field `param` said, in these words. A model that does not
    think needs no switch not to. Raises `ApiError` 400 where a switch is needed and missing."""
    switches, abilities = thinking_switches(llm), llm.prompting.abilities
    thinks = abilities is not None and abilities.thinks
    if not switches and thinks != on:
        problem = "does not think" if on else "thinks, without a switch to stop it"
        raise ApiError(
            400,
            f"{param} is {said!r}, and this model {problem}; leave it out",
            param=param,
            code="unsupported",
        )
    return dict.fromkeys(switches, on)
