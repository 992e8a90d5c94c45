"""Steps after prompts take longer, for as long as the costs say."""

from weft.simulator.prompt_aftermath import PromptAftermath
from weft.simulator.step_work import StepWork


class FeltCosts:
    """A prompt is felt for two steps: a thousandth of a second per token, then half of it, and a microsecond per
    sequence."""

    settling_steps = 2

    def settling_seconds(self, steps_after: int, prompt_tokens: int, num_decodes: int) -> float:
        return prompt_tokens / (1000 << steps_after) + 1e-6 * num_decodes


class UnfeltCosts(FeltCosts):
    settling_steps = 0


def step(*chunks: tuple[int, int], num_decodes: int = 0) -> StepWork:
    num_tokens = num_decodes + sum(tokens for tokens, _ in chunks)
    return StepWork(num_tokens, num_decodes, num_decodes, (0,), chunks, 0, ())


def test_a_prompt_is_felt_by_the_steps_after_it() -> None:
    aftermath = PromptAftermath(FeltCosts())  # type: ignore[arg-type]
    steps = [step(num_decodes=1), step((6, 0), (4, 0), num_decodes=1), *[step(num_decodes=2)] * 3]
    assert [aftermath.begin(each) for each in steps] == [0.0, 0.0, 0.010002, 0.005002, 0.0]


def test_another_prompt_begins_anew_and_one_token_or_none_is_no_prompt() -> None:
    aftermath = PromptAftermath(FeltCosts())  # type: ignore[arg-type]
    aftermath.begin(step((10, 0)))
    aftermath.begin(step((20, 0)))
    assert aftermath.begin(step()) == 0.0
    assert aftermath.begin(step((1, 5), num_decodes=1)) == 0.020002
    assert aftermath.begin(step(num_decodes=1)) == 0.010001


def test_steps_looked_ahead_at_are_as_those_one_by_one() -> None:
    aftermath = PromptAftermath(FeltCosts())  # type: ignore[arg-type]
    aftermath.begin(step((10, 0)))
    planned_s = [1.0, 1.0, 1.0]
    aftermath.add_to(planned_s, 2)
    assert planned_s == [1.010002, 1.005002, 1.0]
    aftermath.skip(1)
    again_s = [1.0]
    aftermath.add_to(again_s, 2)
    assert again_s == [1.005002]
    aftermath.skip(7)
    assert aftermath.begin(step(num_decodes=2)) == 0.0


def test_where_nothing_is_felt_nothing_is_asked() -> None:
    aftermath = PromptAftermath(UnfeltCosts())  # type: ignore[arg-type]
    assert aftermath.begin(step((10, 0))) == aftermath.begin(step(num_decodes=1)) == 0.0
