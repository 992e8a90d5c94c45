"""The point of it all: state that is wrong anywhere a token sees it changes what is said."""

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.simulator.fake_driver import BLOCK_TOKENS, LAYOUTS, Driver, make_request, media_blocks
from weft.contracts.prompts import MediaItem
from weft.contracts.requests import Request
from weft.contracts.state import ConstantGroup, EncoderGroup, PagedGroup
from weft.contracts.steps import Admission, BlockCopy, StepEntry

# A large vocabulary, so that two different states hardly ever say the same by chance.
MANY_TOKENS = 2**40


def _request(prompt_tokens: int, seed: int) -> Request:
    prompt = tuple(range(prompt_tokens))
    media = (MediaItem(b"cat", 1, min(5, prompt_tokens - 1)),) if prompt_tokens > 1 else ()
    return make_request(prompt=prompt, media=media, temperature=1.0, seed=seed)


def _prefilled(layout: str, request: Request) -> tuple[Driver, Admission]:
    spec = Driver(layout).spec
    driver = Driver(type(spec)(spec.layout, vocab_size=MANY_TOKENS))
    admission = driver.admission(0, request)
    driver.prefill(admission, stands=True)
    return driver, admission


@given(st.data(), st.sampled_from(list(LAYOUTS)), st.integers(1, 25), st.integers(0, 2**20))
def test_any_visible_entry_changes_the_next_token_and_no_other(
    data: st.DataObject, layout: str, prompt_tokens: int, seed: int
) -> None:
    request = _request(prompt_tokens, seed)
    driver, admission = _prefilled(layout, request)
    index = data.draw(st.sampled_from(range(len(driver.spec.layout.groups))))
    group = driver.spec.layout.groups[index]
    blocks = admission.tables[index]
    assume(blocks)
    position = 0
    if isinstance(group, ConstantGroup):
        is_seen = True
    elif isinstance(group, EncoderGroup):
        position = data.draw(st.integers(0, media_blocks(request) * BLOCK_TOKENS - 1))
        is_seen = False  # the prompt has used it
    else:
        position = data.draw(st.integers(0, prompt_tokens + 3))
        window = group.window_tokens or prompt_tokens + 1
        is_seen = prompt_tokens - window < position < prompt_tokens
    driver.device.corrupt(index, blocks[position // BLOCK_TOKENS], position % BLOCK_TOKENS)
    twin, _ = _prefilled(layout, request)
    said, expected = driver.step(advances=True).tokens[0], twin.step(advances=True).tokens[0]
    assert (said != expected) == is_seen


@given(st.data(), st.sampled_from(["encoder", "everything"]), st.integers(2, 25))
def test_any_wrong_encoder_output_changes_the_text(
    data: st.DataObject, layout: str, prompt_tokens: int
) -> None:
    request = _request(prompt_tokens, 1)
    tokens = []
    offset = data.draw(st.integers(0, request.prompt.media[0].num_tokens - 1))
    for is_corrupt in (False, True):
        spec = Driver(layout).spec
        driver = Driver(type(spec)(spec.layout, vocab_size=MANY_TOKENS))
        admission = driver.admission(0, request)
        driver.step(StepEntry(0, 0, 1, False), added=(admission,), encodes=driver.encodes(admission))
        group = next(i for i, each in enumerate(spec.layout.groups) if isinstance(each, EncoderGroup))
        if is_corrupt:
            block = admission.tables[group][offset // BLOCK_TOKENS]
            driver.device.corrupt(group, block, offset % BLOCK_TOKENS)
        tokens.append(driver.step(StepEntry(0, 1, prompt_tokens - 1, True)).tokens[0])
    assert tokens[0] != tokens[1]


@given(st.data(), st.sampled_from(["paged", "windowed", "only windows", "recurrent", "mixed"]))
def test_a_foreign_block_changes_the_next_token(data: st.DataObject, layout: str) -> None:
    """A block of another sequence, or one that nobody has written, in the place of any that is seen."""
    prompt_tokens = data.draw(st.integers(2, 25))
    driver, admission = _prefilled(layout, _request(prompt_tokens, 1))
    other = driver.admission(1, make_request("b", prompt=tuple(range(100, 125))))
    driver.prefill(other)
    index = data.draw(st.sampled_from(range(len(driver.spec.layout.groups))))
    group = driver.spec.layout.groups[index]
    block = 0
    if isinstance(group, PagedGroup):
        low = max(0, prompt_tokens - (group.window_tokens or prompt_tokens + 1) + 1)
        assume(low < prompt_tokens)
        block = data.draw(st.integers(low, prompt_tokens - 1)) // BLOCK_TOKENS
    source = data.draw(st.sampled_from([other.tables[index][block], driver.take(index, 1)[0]]))
    twin, _ = _prefilled(layout, _request(prompt_tokens, 1))
    swap = BlockCopy(index, source, admission.tables[index][block])
    said = driver.step(advances=True, copies=(swap,)).tokens[0]
    assert said != twin.step(advances=True).tokens[0]


def test_a_slot_read_before_another_row_has_written_it_shows() -> None:
    """In a step, rows are computed in order; a row that runs before the writer sees poison, not old state."""
    driver = Driver("paged")
    first = driver.admission(0, make_request())
    expected = driver.prefill(first).tokens[0]
    # Row 1 recomputes the same state into the same blocks, while row 2 already relies on it.
    again = driver.admission(1, make_request(), first.tables)
    reader = driver.admission(2, make_request(), (first.tables[0][:2] + driver.take(0, 5),), computed=8)
    entries = (StepEntry(2, 8, 2, True), StepEntry(1, 0, 10, True))
    result = driver.step(*entries, removed=(0,), added=(again, reader))
    assert result.tokens[1] == expected
    assert result.tokens[2] != expected
