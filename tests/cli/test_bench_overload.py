"""The form of what `weft bench overload` finds; the trials themselves run simulated in tests/measurement."""

import asyncio
import json
from pathlib import Path

import pytest

from weft.contracts.errors import WeftError
from weft.contracts.requests import Slo
from weft.measurement.overload import Answered, Question, Refused
from weft.measurement.overload_bench import OverloadReport, Refusals
from weft.measurement.overload_client import LeanClient
from weft.measurement.overload_trials import Pulse, Quiet
from weft.measurement.served_process import ServedProcess

STREAM = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b'e\r\ndata: {"a":1}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n'
)
REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\ncontent-length: 2\r\n\r\n{}"
MISTAKE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nwrong"
BROKEN = STREAM.replace(b'"a":1', b'"error":1')


def test_the_client_tells_answers_from_refusals_on_one_connection() -> None:
    answers, num_connections = [STREAM, REFUSAL, STREAM, MISTAKE], 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal num_connections
        num_connections += 1
        while answers:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert "x-weft-tenant: t\r\n" in head
            length = int(head.partition("content-length: ")[2].split()[0])
            body = json.loads(await reader.readexactly(length))
            assert (len(body["prompt"]), body["max_tokens"]) == (8, 3)
            writer.write(answers.pop(0))
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            client = LeanClient(server.sockets[0].getsockname()[1], "m", 50)
            question = Question(0.0, "t", 8, 3)
            first, refused, second = [await client.ask(question) for _ in range(3)]
            assert isinstance(first, Answered)
            assert isinstance(second, Answered)
            assert first.first_token_s <= first.ended_s <= second.first_token_s
            assert refused == Refused(3.0)
            assert len(client.refusals_s) == 1
            with pytest.raises(WeftError, match="the server answered 400: wrong"):
                await client.ask(question)
            answers.append(BROKEN)
            with pytest.raises(WeftError, match="an answer broke off"):
                await client.ask(question)
            await client.close()

    asyncio.run(main())
    assert num_connections == 2


def test_a_connection_that_was_idle_for_too_long_is_made_anew() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        writer.write(REFUSAL)
        writer.close()
        await writer.wait_closed()

    async def main() -> list[Answered | Refused]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            client = LeanClient(server.sockets[0].getsockname()[1], "m", 50)
            answers = [await client.ask(Question(0.0, "t", 8, 3)) for _ in range(3)]
            await client.close()
            return answers

    assert asyncio.run(main()) == [Refused(3.0)] * 3


def test_the_servers_own_times_are_read_from_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "2026-01-01 INFO POST /v1/completions 429 0.4 ms\n2026-01-01 INFO POST /v1/completions 200 81.2 ms\n"
        "2026-01-01 WARNING took 429 s\n2026-01-01 INFO POST /v1/completions 429 1.5 ms\n"
    )
    assert ServedProcess(1, log).took_ms(429) == [0.4, 1.5]


def test_the_report_is_told_as_text_and_json() -> None:
    report = OverloadReport(10.0, Slo(0.1, 0.01), {1.0: 8.0, 10.0: 7.6}, load_average=[0.5, 2.0])
    report.refusals, report.pulse = Refusals(90, 0.5, 2.0, 1.0, 4.0), Pulse(1.0, 0.1, 0.98, 3)
    report.quiet = {1.0: Quiet(0.05, 1.0)}
    assert "goodput at   10x   7.6 requests/s, 0.95 of its peak" in report.as_text()
    assert "server p50 0.5 ms, p99 2.0 ms; client p50 1.0 ms, p99 4.0 ms" in report.as_text()
    told = json.loads(json.dumps(report.as_json()))
    assert told["goodput_per_s"] == {"1": 8.0, "10": 7.6}
    assert told["pulse"]["after"] == 0.98
    assert told["quiet"]["1"] == {"ttft_p99_s": 0.05, "answered": 1.0}
