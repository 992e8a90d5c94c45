"""Weft's own format, for traces that users make: JSON lines, CSV or Parquet.

A row has `arrival_s`, `output_tokens`, and the prompt as one of `prompt_tokens` (its length), `token_ids`
(a list), or `prompt_tokens` with `prefix_hashes` (a list) and `hash_tokens`. Optional: `more_output_tokens` (a list:
lengths of further samples of the prompt), `tenant`, `priority`, `adapter`, `ttft_slo_s`, `tpot_slo_s`. A session of
several turns has, in place of prompt and output, `turns`: a list of `{"prompt_tokens", "output_tokens", "delay_s"}`,
where each prompt contains the conversation so far.
"""

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import HashPrompt, LengthPrompt, Prompt
from weft.contracts.requests import MOST_SAMPLES, Slo
from weft.workloads.checks import MOST_TOKENS
from weft.workloads.conversation_prompt import ConversationPrompt
from weft.workloads.formats.format import Content, Encode, TraceFormat
from weft.workloads.formats.llmservingsim import token_prompt
from weft.workloads.reading.row import Row
from weft.workloads.sessions import Client, Turn


def _arrival_s(row: Row) -> float:
    return row.seconds("arrival_s")


def _single(row: Row, _index: int, _encode: Encode | None) -> Content:
    turn = Turn(_prompt(row), row.tokens("output_tokens"), more_output_tokens=_more_output_tokens(row))
    return Content((turn,), _client(row))


def _more_output_tokens(row: Row) -> tuple[int, ...]:
    lengths = row.whole_numbers("more_output_tokens") if row.has("more_output_tokens") else ()
    if len(lengths) >= MOST_SAMPLES or not all(1 <= length <= MOST_TOKENS for length in lengths):
        raise row.problem(
            "more_output_tokens",
            f"at most {MOST_SAMPLES - 1} numbers of tokens, each from 1 to {MOST_TOKENS}",
        )
    return lengths


def _prompt(row: Row) -> Prompt:
    if row.has("token_ids"):
        return token_prompt(row, "token_ids")
    if not row.has("prefix_hashes"):
        return LengthPrompt(row.tokens("prompt_tokens"))
    hashes = row.whole_numbers("prefix_hashes")
    try:
        return HashPrompt(row.tokens("prompt_tokens"), hashes, row.tokens("hash_tokens"))
    except InvalidRequest as error:
        raise row.problem("prefix_hashes", f"one hash per hash_tokens tokens ({error})") from None


def _several(row: Row, index: int, _encode: Encode | None) -> Content:
    turns: list[Turn] = []
    known_tokens = 0
    for turn in row.rows("turns"):
        prompt_tokens, output_tokens = turn.tokens("prompt_tokens"), turn.tokens("output_tokens")
        if prompt_tokens <= known_tokens:
            raise turn.problem("prompt_tokens", f"above {known_tokens}, the conversation so far")
        delay_s = turn.seconds("delay_s") if turn.has("delay_s") else 0.0
        turns.append(Turn(ConversationPrompt(prompt_tokens, index), output_tokens, delay_s))
        known_tokens = prompt_tokens + output_tokens
    return Content(tuple(turns), _client(row))


def _client(row: Row) -> Client:
    return Client(
        tenant=row.text("tenant") if row.has("tenant") else "default",
        priority=row.whole("priority") if row.has("priority") else 0,
        slo=_slo(row),
        adapter=row.text("adapter") if row.has("adapter") else None,
    )


def _slo(row: Row) -> Slo | None:
    ttft_s, tpot_s = (
        row.seconds(column) if row.has(column) else None for column in ("ttft_slo_s", "tpot_slo_s")
    )
    return None if ttft_s is None and tpot_s is None else Slo(ttft_s, tpot_s)


TIMED = TraceFormat("timed", ("arrival_s", "output_tokens"), _single, _arrival_s)
TIMED_SESSIONS = TraceFormat("timed sessions", ("arrival_s", "turns"), _several, _arrival_s)
