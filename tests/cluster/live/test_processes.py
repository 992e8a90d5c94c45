"""Starting and ending processes, and what is heard of those that do not behave."""

import asyncio
import signal
import subprocess
import sys

import pytest

from tests.cluster.live.live_cluster import COMMAND, ROOT, LiveCluster, descriptors, is_alive, play, until
from tests.engine.small_engine import ask
from weft.cluster.processes import Processes
from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request


def first_loss(live: LiveCluster) -> str:
    return live.cluster.losses[0][2]


async def lost(live: LiveCluster) -> None:
    await until(lambda: bool(live.cluster.losses))


def test_lines_that_a_replica_writes_carry_its_name() -> None:
    async def scenario(live: LiveCluster) -> None:
        await until(lambda: len(live.said) == 2)

    live = play(scenario)
    assert sorted(live.said) == [f"{name}: incarnation 1 of {name}" for name in live.names]


def test_a_replica_that_cannot_be_made_says_why() -> None:
    live = play(lost, is_up=False, wrong="no model", num_replicas=1)
    assert first_loss(live) == "there is no such model"


def test_a_defect_ends_the_process_and_is_shown() -> None:
    live = play(lost, is_up=False, wrong="defect", num_replicas=1)
    assert first_loss(live) == "its process ended with status 1"
    assert "replica-0: RuntimeError: this is a defect" in live.said


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("00000000", "it sent what is no message: 0 bytes are no frame"),
        ("00000003666f6f", "it sent what is no message: 3 bytes are no frame"),
        ("ffffffff", "it sent what is no message: a frame of 4294967295 bytes is longer than 67108864"),
        (
            "0000001b" + "00" * 24 + "09" + "5b5d",
            "it sent what is no message: no Stopped: at 0: Field required",
        ),
    ],
)
def test_a_replica_that_sends_garbage_is_lost(sent: str, reason: str) -> None:
    live = play(lost, is_up=False, num_replicas=1, command=(*COMMAND, sent))
    assert first_loss(live).startswith(reason)


def test_a_process_that_hangs_up_and_stays_is_killed() -> None:
    program = "import os, sys, time; os.close(int(sys.argv[1])); time.sleep(60)"
    live = play(lost, is_up=False, num_replicas=1, command=(sys.executable, "-c", program))
    assert first_loss(live) == "its process hung up"


def test_a_process_that_ends_before_it_has_said_anything() -> None:
    async def scenario(live: LiveCluster) -> None:
        await until(lambda: len(live.cluster.losses) == 3)

    live = play(scenario, is_up=False, num_replicas=1, command=("/bin/false",))
    assert first_loss(live) == "its process ended with status 1"


def test_a_command_that_does_not_exist() -> None:
    live = play(lost, is_up=False, num_replicas=1, command=("/no/such/program",))
    assert "no process can be started by '/no/such/program'" in first_loss(live)


def test_a_drained_replica_ends_by_itself() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(ask("r", 9, 20))
        process_id = live.backend.process_id("replica-0")
        live.cluster.router.drain("replica-0")
        await until(lambda: live.backend.process_id("replica-0") not in (None, process_id))
        await until(live.is_whole)
        await live.answered()
        assert live.lost == []

    play(scenario)


def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.cluster.processes.STOP_S", 0.1)

    async def scenario(live: LiveCluster) -> None:
        await live.backend.stop("replica-0")

    play(scenario, num_replicas=1, wrong="stays")


def test_a_replica_is_gone_when_its_notice_has_passed() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(ask("r", 9, 20))
        live.backend.notice("replica-0", asyncio.get_running_loop().time() + 0.05)
        await lost(live)
        await live.answered()
        assert first_loss(live) == "its process ended by signal 9 (SIGKILL)"

    play(scenario, num_replicas=1)


def test_a_start_that_is_given_up_leaves_nothing() -> None:
    before = descriptors()

    async def main() -> None:
        processes = Processes(COMMAND, {})
        starting = asyncio.create_task(processes.start("replica", "here", 1))
        await asyncio.sleep(0)
        processes.kill("replica")
        await starting
        assert processes.process_id("replica") is None
        await processes.close()

    asyncio.run(main())
    assert descriptors() == before


def test_a_request_that_cannot_be_sent_harms_nobody() -> None:
    async def scenario(live: LiveCluster) -> None:
        with pytest.raises(InvalidRequest, match="prompts of tokens only"):
            live.cluster.router.ask(Request("length", LengthPrompt(5)), lambda news: None)
        assert live.cluster.router.num_open == 0
        live.ask(ask("r", 9, 20))
        await live.answered()
        assert live.lost == []

    play(scenario, num_replicas=1)


PARENT = """
import asyncio, os, signal, sys
from tests.cluster.live.live_cluster import LiveCluster

async def main():
    live = LiveCluster(num_replicas=2)
    await live.cluster.up()
    ids = [live.backend.process_id(name) for name in live.names]
    os.kill(ids[0], signal.SIGSTOP)
    print(*ids, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_replicas_end_with_their_parent_also_where_they_are_stopped() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", PARENT], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert outcome.returncode == -signal.SIGKILL
    ids = outcome.stdout.split()
    assert len(ids) == 2
    asyncio.run(until(lambda: not any(is_alive(each) for each in ids)))
