import json
import tracemalloc
from pathlib import Path

import pytest

from tests.workloads.samples import lengths, shared_trace, times_s, write
from weft.contracts.prompts import HashPrompt, TokenPrompt
from weft.contracts.requests import Slo
from weft.workloads.conversation_prompt import TranscriptPrompt
from weft.workloads.errors import TraceError, WorkloadError
from weft.workloads.formats import FORMATS
from weft.workloads.registry import find_workload
from weft.workloads.sessions import Session
from weft.workloads.trace import TraceWorkload, mean_rate_per_s


def read(path: Path, rate_per_s: float | None = None) -> list[Session]:
    return list(TraceWorkload(path, rate_per_s).sessions())


def write_json(path: Path, *rows: object) -> Path:
    return write(path, *(json.dumps(row) for row in rows))


AZURE = ("TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:00:00.0000000,374,44")


def test_azure(tmp_path: Path) -> None:
    sessions = read(write(tmp_path / "t.csv", *AZURE, "2023-11-16 18:00:04.2500000,396,109"))
    assert [session.arrival_s for session in sessions] == [0.0, 4.25]
    assert lengths(sessions) == [(374, 44), (396, 109)]


def test_burstgpt_without_its_failures(tmp_path: Path) -> None:
    header = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type"
    rows = ("5,ChatGPT,472,18,490,Conversation log", "6,GPT-4,0,0,0,API log", "45,GPT-4,10,230,240,API log")
    sessions = read(write(tmp_path / "t.csv", header, *rows))
    assert [session.arrival_s for session in sessions] == [0.0, 40.0]
    assert [session.number for session in sessions] == [0, 1]
    assert lengths(sessions) == [(472, 18), (10, 230)]


def mooncake_row(time_ms: object, hashes: object) -> dict[str, object]:
    return {"timestamp": time_ms, "input_length": 1000, "output_length": 7, "hash_ids": hashes}


def test_mooncake(tmp_path: Path) -> None:
    sessions = read(write_json(tmp_path / "t.jsonl", mooncake_row(0, [0, 1]), mooncake_row(2999, [0, 2])))
    assert sessions[1].arrival_s == 2.999
    (one,), (other,) = (tuple(session.turns) for session in sessions)
    assert isinstance(one.prompt, HashPrompt)
    assert [
        one.prompt.content_key(block, 512) == other.prompt.content_key(block, 512) for block in (0, 1)
    ] == [True, False]


def test_the_arena_of_vtc(tmp_path: Path) -> None:
    header = "model_dir,adapter_dir,prompt_len,output_len,req_time"
    sessions = read(write(tmp_path / "t.csv", header, "m,lora-13,13,199,0.0", "m,lora-2,36,137,0.2"))
    assert [session.client.tenant for session in sessions] == ["lora-13", "lora-2"]
    assert lengths(sessions) == [(13, 199), (36, 137)]


def test_llmservingsim(tmp_path: Path) -> None:
    row = {"input_toks": 3, "output_toks": 5, "arrival_time_ns": 10**9, "input_tok_ids": [4, 5, 6]}
    (session,) = read(write_json(tmp_path / "t.jsonl", row))
    (turn,) = session.turns
    assert turn.prompt == TokenPrompt((4, 5, 6))
    assert (session.arrival_s, turn.output_tokens) == (0.0, 5)


CHAT = [("human", "ab"), ("gpt", "cde"), ("human", "f"), ("gpt", "g"), ("human", "unanswered")]


def test_sharegpt_is_a_conversation_of_tokens(tmp_path: Path) -> None:
    messages = [{"from": who, "value": text} for who, text in CHAT]
    rows = [{"id": "x", "conversations": []}, {"id": "y", "conversations": messages}]
    path = tmp_path / "t.json"
    path.write_text(json.dumps(rows))
    (session,) = find_workload(str(path), rate_per_s=1.0, encode=str.encode).sessions()
    text = tuple("".join(text for _, text in CHAT).encode())
    assert [turn.prompt for turn in session.turns] == [TranscriptPrompt(text, 2), TranscriptPrompt(text, 6)]
    assert [turn.output_tokens for turn in session.turns] == [3, 1]
    with pytest.raises(TraceError, match="tokenizer"):
        list(find_workload(str(path), rate_per_s=1.0).sessions())


def test_lengths_alone_need_a_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "num_prefill_tokens,num_decode_tokens", *["26,5"] * 2000)
    with pytest.raises(TraceError, match="give a rate"):
        find_workload(str(path))
    workload = find_workload(str(path), rate_per_s=4.0)
    assert 2000 / times_s(workload, 2000)[-1] == pytest.approx(4.0, rel=0.1)
    assert times_s(workload, 9) == times_s(workload, 9) != times_s(find_workload(str(path), 4.0, seed=1), 9)


def test_the_own_format(tmp_path: Path) -> None:
    rows = (
        {
            "arrival_s": 3,
            "prompt_tokens": 9,
            "output_tokens": 2,
            "tenant": "acme",
            "priority": -1,
            "adapter": "poet",
        },
        {"arrival_s": 3.5, "token_ids": [1, 2], "output_tokens": 2, "ttft_slo_s": 0.5},
        {"arrival_s": 4, "prompt_tokens": 9, "prefix_hashes": [7, 8], "hash_tokens": 8, "output_tokens": 2},
    )
    one, two, three = read(write_json(tmp_path / "t.jsonl", *rows))
    assert one.client == ("acme", -1, None, "poet")
    assert (two.arrival_s, two.client.slo) == (0.5, Slo(ttft_s=0.5))
    assert [type(turn.prompt) for session in (two, three) for turn in session.turns] == [
        TokenPrompt,
        HashPrompt,
    ]


def test_sessions_of_several_turns(tmp_path: Path) -> None:
    one: dict[str, float] = {"prompt_tokens": 40, "output_tokens": 5}
    other: dict[str, float] = {"prompt_tokens": 60, "output_tokens": 1, "delay_s": 2.5}
    row = {"arrival_s": 0, "turns": [one, other]}
    (session,) = read(write_json(tmp_path / "t.jsonl", row))
    first, second = session.turns
    assert (first.delay_s, second.delay_s) == (0.0, 2.5)
    assert first.prompt.content_key(1, 16) == second.prompt.content_key(1, 16)
    other["prompt_tokens"] = 45
    with pytest.raises(
        TraceError, match=r"line 1, turns\[1\]: column 'prompt_tokens' is 45; it must be above 45"
    ):
        read(write_json(tmp_path / "t.jsonl", row))


TIMED = "arrival_s,prompt_tokens,output_tokens"
BAD_ROWS = [
    (
        (TIMED, "0,5,5", "1,5,-2"),
        "line 3: column 'output_tokens' is '-2'; it must be a whole number of tokens",
    ),
    ((TIMED, "0,nan,5"), "line 2: column 'prompt_tokens' is 'nan'; it must be a whole number"),
    ((TIMED, "0,0,5"), "line 2: column 'prompt_tokens' is '0'"),
    ((TIMED, "-1,5,5"), "line 2: column 'arrival_s' is '-1'; it must be a finite time"),
    ((TIMED, "0,5,5", "3,5,5", "2.5,5,5"), "line 4: it arrives 0.5 s before the one above; sort by time"),
    (("arrival_s,output_tokens", "0,5"), "line 2: column 'prompt_tokens' is missing; add it"),
    ((*AZURE, "yesterday,1,1"), "line 3: column 'TIMESTAMP' is 'yesterday'; it must be a date and time"),
    (("a,b", "1,2"), "columns ['a', 'b'] are of no known format"),
    ((TIMED,), "it has no rows"),
    (("",), "it has no rows"),
    (("Timestamp,Request tokens,Response tokens", "1,5,0"), "no request in it can be used"),
]


@pytest.mark.parametrize(("lines", "problem"), BAD_ROWS, ids=[problem for _, problem in BAD_ROWS])
def test_bad_rows_are_named(tmp_path: Path, lines: tuple[str, ...], problem: str) -> None:
    path = write(tmp_path / "t.csv", *lines)
    with pytest.raises(TraceError) as caught:
        read(path)
    assert f"{path}" in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("hashes", [None, [], [1], [1, 2, 3], [1, "2"], "1"])
def test_hashes_must_cover_the_prompt(tmp_path: Path, hashes: object) -> None:
    with pytest.raises(TraceError, match="line 1: column 'hash_ids'"):
        read(write_json(tmp_path / "t.jsonl", mooncake_row(0, hashes)))


def test_tokens_must_be_ids(tmp_path: Path) -> None:
    for ids in ([], [-1], [2**31], ["1"]):
        with pytest.raises(TraceError, match="column 'token_ids'"):
            read(write_json(tmp_path / "t.jsonl", {"arrival_s": 0, "token_ids": ids, "output_tokens": 1}))


def test_the_rate_of_a_trace_can_be_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TIMED, *(f"{number / 2},5,5" for number in range(1001)))
    assert mean_rate_per_s(TraceWorkload(path)) == pytest.approx(2.0, rel=0.01)
    workload = find_workload(str(path), rate_per_s=6.0)
    assert workload.name == "t.csv x 2.997 (traceupscaler)"
    assert times_s(workload, 1001)[-1] == pytest.approx(1001 / 6.0, rel=0.02)
    at_once = write(tmp_path / "u.csv", TIMED, "0,5,5", "0,5,5")
    with pytest.raises(WorkloadError, match="all requests arrive at once"):
        find_workload(str(at_once), rate_per_s=6.0)


def test_reading_needs_the_memory_of_a_row(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", f"{TIMED},note", *(f"{number / 2},5,5,{'x' * 40}" for number in range(8_000))
    )
    tracemalloc.start()
    assert sum(1 for _ in find_workload(str(path), rate_per_s=4.0).sessions()) == 8_000
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 200_000 < path.stat().st_size / 2


def test_formats_are_told_apart_by_their_columns() -> None:
    for position, later in enumerate(FORMATS):
        for earlier in FORMATS[:position]:
            assert not set(earlier.columns) <= set(later.columns)


@pytest.mark.parametrize(
    ("name", "requests", "mean_prompt", "seconds"),
    [
        ("azure2023/AzureLLMInferenceTrace_code.csv", 8819, 2048, 3436),
        ("azure2023/AzureLLMInferenceTrace_conv.csv", 19366, 1155, 3502),
        ("mooncake/conversation_trace.jsonl", 12031, 12035, 3537),
        ("llmservingsim/sharegpt-llama-3.1-8b-300-sps10.jsonl.zst", 300, None, None),
        ("vtc_arena/requests.parquet", 1500, 136, 600),
        ("lengths/sharegpt_V3_lens.parquet", 58000, 248, None),
    ],
)
def test_published_traces(name: str, requests: int, mean_prompt: int | None, seconds: int | None) -> None:
    path = shared_trace(name)
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    timed = seconds is not None or name.startswith("llmservingsim")
    sessions = read(path, None if timed else 1.0)
    assert len(sessions) == requests
    if mean_prompt is not None:
        assert sum(prompt for prompt, _ in lengths(sessions)) / requests == pytest.approx(mean_prompt, abs=1)
    if seconds is not None:
        assert sessions[-1].arrival_s == pytest.approx(seconds, abs=1)
