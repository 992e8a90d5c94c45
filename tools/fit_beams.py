"""Fit how undecided `NextTokens` are to beam searches of the built-in model.

    python tools/fit_beams.py

The model goes on with stories and chats, half of them of words that its training held out. Prints for each width which
share of the hypotheses is forked, live and in simulation, and the memory that sharing saves live.
"""

import asyncio
from random import Random

from tools.beam_sharing import Forks, SearchAlone, SharingWatch
from weft.contracts.requests import SamplingParams
from weft.llm.async_llm import AsyncLLM
from weft.model_specs.builtin import builtin_model
from weft.simulator.simulated_beams import NextTokens
from weft.training.text.chats import hold_chat
from weft.training.text.stories import tell_story
from weft.training.text.teller import Teller

WIDTHS = (2, 4, 6)
VALUES = (0.14, 0.16, 0.18, 0.2, 0.22)
PROMPTS_OF_A_KIND = 16
WORDS_OF_A_STORY = 8
MOST_TOKENS = 200
REPEATS = 2


def stories() -> list[str]:
    """First words."""
    told = [tell_story(teller) for teller in _tellers("story")]
    return [" ".join(story.text.split()[:WORDS_OF_A_STORY]) for story in told]


def chats() -> list[list[dict[str, str]]]:
    """Up to a question, with the answers to those before."""
    return [_up_to_a_question(teller) for teller in _tellers("chat")]


def _tellers(kind: str) -> list[Teller]:
    return [
        Teller(Random(f"{kind}{number}"), held_out=held_out)
        for held_out in (False, True)
        for number in range(PROMPTS_OF_A_KIND)
    ]


def _up_to_a_question(teller: Teller) -> list[dict[str, str]]:
    chat = hold_chat(teller)
    before = teller.stream.randrange(len(chat.exchanges))
    messages = [("system", chat.system)] if chat.system else []
    for asked, answer in chat.exchanges[:before]:
        messages += [("user", asked), ("assistant", answer)]
    messages.append(("user", chat.exchanges[before][0]))
    return [{"role": role, "content": content} for role, content in messages]


async def live(beam_width: int) -> tuple[SharingWatch, list[int]]:
    """What searches share, and the lengths of their outputs."""
    sampling = SamplingParams(beam_width=beam_width, max_tokens=MOST_TOKENS)
    watch = SharingWatch(beam_width)
    async with AsyncLLM(builtin_model(), num_threads=1, enable_prefix_caching=False, bounded=False) as llm:
        watch.watch(0, llm.log)
        told = await asyncio.gather(*(llm.generate(prompt, sampling) for prompt in stories()))
        told.extend(await asyncio.gather(*(llm.chat(messages, sampling) for messages in chats())))
    return watch, [len(answer.outputs[0].token_ids) for answer in told]


def simulated(indecision: float, beam_width: int, lengths: list[int]) -> Forks:
    """Searches for outputs of the same lengths, several of each."""
    model = NextTokens(seed=0, indecision=indecision)
    each = [
        SearchAlone(model, str(number), beam_width, length).forks
        for number, length in enumerate(lengths * REPEATS)
    ]
    return Forks(sum(forks.num_forks for forks in each), sum(forks.num_hypotheses for forks in each))


def main() -> None:
    """Measure, compare, and say which value errs least."""
    errors = dict.fromkeys(VALUES, 0.0)
    for beam_width in WIDTHS:
        watch, lengths = asyncio.run(live(beam_width))
        share = watch.forks.share
        mean = sum(lengths) / len(lengths)
        print(f"width {beam_width}: {mean:.0f} tokens, forked {share:.4f}, memory saved {watch.saving:.3f}")
        for value in VALUES:
            found = simulated(value, beam_width, lengths).share
            errors[value] += (found / share - 1.0) ** 2
            print(f"    indecision {value:4.2f}: forked {found:.4f}")
    print(f"least squared relative error: indecision {min(errors, key=errors.__getitem__)}")


if __name__ == "__main__":
    main()
