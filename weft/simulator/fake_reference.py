"""What the fake model says to a request alone: the oracle that every schedule must agree with.

Written as directly as possible: one sequence, plain lists with an entry per position, no blocks, no steps.
"""

from typing import NamedTuple

from weft.contracts.requests import Request
from weft.contracts.state import PagedGroup
from weft.contracts.steps import TokenLogprobs
from weft.simulator.fake_model import (
    FakeModelSpec,
    choose_token,
    ends,
    likeliest_candidates,
    media_content,
    mix,
    prompt_token,
    state_entry,
    state_salt,
    text_groups,
    token_logprobs,
)


class PlainSequence:
    """A sequence alone. `entries[i]` holds group i's entry of every computed position."""

    def __init__(self, spec: FakeModelSpec, request: Request, weights_version: int = 0) -> None:
        self.spec = spec
        self.request = request
        self.weights_version = weights_version
        self.groups = text_groups(spec.layout)
        self.entries: dict[int, list[int]] = {group: [] for group in self.groups}
        self.num_computed = 0

    def copy(self) -> "PlainSequence":
        """A sequence that has computed the same and goes on by itself."""
        twin = PlainSequence(self.spec, self.request, self.weights_version)
        twin.entries = {group: list(entries) for group, entries in self.entries.items()}
        twin.num_computed = self.num_computed
        return twin

    def feed_prompt(self) -> None:
        """Compute all positions of the prompt."""
        media = {
            item.start + i: (item, i) for item in self.request.prompt.media for i in range(item.num_tokens)
        }
        for position in range(self.request.prompt.num_tokens):
            if position in media:
                self.feed(media_content(self.spec, *media[position], self.weights_version))
            else:
                self.feed(prompt_token(self.spec, self.request, position))

    def feed(self, content: int) -> None:
        """Compute the next position, which holds `content` (a token id, or what stands for media)."""
        position = self.num_computed
        salt = state_salt(self.spec, self.request, self.weights_version)
        before = mix(*self.views(position))
        for group in self.groups:
            self.entries[group].append(state_entry(group, content, position, salt, before))
        self.num_computed += 1

    def views(self, position: int) -> list[int]:
        """What a token at `position` sees of each group, itself included where it is computed."""
        return [self._view(group, position) for group in self.groups]

    def _view(self, index: int, position: int) -> int:
        group, entries = self.spec.layout.groups[index], self.entries[index]
        if not isinstance(group, PagedGroup):
            return entries[-1] if entries else 0
        low = 0 if group.window_tokens is None else max(0, position - group.window_tokens + 1)
        return sum(entries[low:])

    def next_token(self, sample_index: int = 0) -> int:
        """The token after all computed positions."""
        views = self.views(self.num_computed - 1)
        return choose_token(self.spec, self.request, sample_index, self.num_computed, views)


def reference_output(
    spec: FakeModelSpec, request: Request, sample_index: int = 0, weights_version: int = 0
) -> tuple[int, ...]:
    """The output of one sample, its end token included."""
    sequence = PlainSequence(spec, request, weights_version)
    sequence.feed_prompt()
    output = [sequence.next_token(sample_index)]
    while not ends(request, output[-1], len(output)):
        sequence.feed(output[-1])
        output.append(sequence.next_token(sample_index))
    return tuple(output)


def reference_logprobs(
    spec: FakeModelSpec, request: Request, output: tuple[int, ...], weights_version: int = 0
) -> tuple[TokenLogprobs, ...]:
    """The log-probabilities of an output's tokens, one after the other."""
    sequence = PlainSequence(spec, request, weights_version)
    sequence.feed_prompt()
    told: list[TokenLogprobs] = []
    for token in output:
        position = sequence.num_computed
        told.append(token_logprobs(spec, request, token, position, sequence.views(position - 1)))
        sequence.feed(token)
    return tuple(told)


class Hypothesis(NamedTuple):
    """An output of a beam search; compares as (worst score last, tokens)."""

    penalty: float
    tokens: tuple[int, ...]


def reference_beams(spec: FakeModelSpec, request: Request, weights_version: int = 0) -> tuple[int, ...]:
    """The likeliest output that a beam search of the request's `beam_width` finds.

    The rule. A score is the sum of log-probabilities. In each round every live beam proposes its
    2 x width likeliest candidates; all proposals are sorted by (score falling, tokens rising). A proposal
    that ends in a stop token becomes a hypothesis where it is among the best `width` of its round, and is
    dropped otherwise. The first `width` others are the live beams of the next round. The search is over as
    soon as there are `width` hypotheses, or at `max_tokens`, where live beams become hypotheses. The best
    hypothesis by (score falling, tokens rising) wins. Stop tokens before `min_tokens` are not proposed.
    """
    width, max_tokens = request.sampling.beam_width, request.sampling.max_tokens
    prompt = PlainSequence(spec, request, weights_version)
    prompt.feed_prompt()
    live, finished = [Hypothesis(0.0, ())], list[Hypothesis]()
    for num_tokens in range(1, max_tokens + 1):
        ranked = sorted(extended for beam in live for extended in _proposals(prompt, beam, 2 * width))
        live = []
        for rank, beam in enumerate(ranked):
            if num_tokens < max_tokens and not ends(request, beam.tokens[-1], num_tokens):
                live.append(beam)
            elif num_tokens == max_tokens or rank < width:
                finished.append(beam)
        live = live[:width]
        if len(finished) >= width or not live:
            break
    return min(finished).tokens


def _proposals(prompt: PlainSequence, beam: Hypothesis, count: int) -> list[Hypothesis]:
    sequence = prompt.copy()
    for token in beam.tokens:
        sequence.feed(token)
    position = sequence.num_computed
    views = sequence.views(position - 1)
    found = likeliest_candidates(sequence.spec, sequence.request, position, views, count)
    return [Hypothesis(beam.penalty - logprob, (*beam.tokens, token)) for token, logprob in found]
