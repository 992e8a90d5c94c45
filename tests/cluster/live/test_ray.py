"""Replicas as actors of Ray."""

import ast
import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.architecture.source import ROOT, imported_names, source_files
from tests.cluster.live.live_cluster import ALERT, LiveCluster, is_alive, play, some, until
from weft.cluster import ray_connection
from weft.cluster.ray_connection import RayConnection
from weft.contracts.errors import ConfigurationError


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """An instance of Ray, for all tests that need one: it takes seconds to start."""
    connection = RayConnection()
    yield
    connection.close()


def test_only_one_file_knows_ray() -> None:
    files = source_files("weft", "tests", "tools")
    assert [each.path for each in files if knows_ray(each.text)] == ["weft/cluster/ray_connection.py"]


def knows_ray(text: str) -> bool:
    """Only where the word stands is the rest worth a look."""
    return re.search(r"\bray\b", text) is not None and any(
        name.split(".")[0] == "ray" for _, name in imported_names(ast.parse(text))
    )


def test_an_import_of_ray_is_found() -> None:
    assert knows_ray("def f():\n    from ray.util import state")
    assert not knows_ray("from weft.cluster import ray_backend")


@pytest.mark.usefixtures("ray")
def test_an_actor_is_killed_in_the_middle_of_streams() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(6))
        await live.told(5)
        live.ask(*some(2, name="late"), whole=True)
        live.signal("replica-0", signal.SIGKILL)
        await live.answered()
        (loss,) = live.cluster.losses
        assert loss[1] == "replica-0"
        assert loss[2].startswith(
            "its Ray actor is gone: The actor is dead because its worker process has died"
        )
        await until(live.is_whole)
        live.cluster.router.drain("replica-1")
        former = live.backend.process_id("replica-1")
        await until(lambda: live.backend.process_id("replica-1") not in (None, former))
        await until(live.is_whole)
        live.ask(*some(2, name="last"))
        await live.answered()
        assert live.lost == ["replica-0"]

    play(scenario, on_ray=True)


@pytest.mark.nightly
@pytest.mark.usefixtures("ray")
def test_a_stopped_actor_is_lost_by_its_silence_and_killed() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(4))
        await live.told(5)
        process_id = live.backend.process_id("replica-1")
        live.signal("replica-1", signal.SIGSTOP)
        await live.answered()
        assert "replica-1" in live.lost
        await until(lambda: not is_alive(str(process_id)))

    play(scenario, on_ray=True, timing=ALERT)


@pytest.mark.nightly
@pytest.mark.usefixtures("ray")
def test_requests_wait_where_all_actors_are_killed() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(6))
        await live.told(5)
        for name in live.names:
            live.signal(name, signal.SIGKILL)
        await live.answered()
        assert sorted(live.lost) == live.names

    play(scenario, on_ray=True)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("no model", "there is no such model"),
        ("defect", "its Ray actor is gone: RuntimeError: this is a defect"),
    ],
)
@pytest.mark.usefixtures("ray")
def test_an_actor_that_cannot_be_made_says_why(wrong: str, reason: str) -> None:
    async def scenario(live: LiveCluster) -> None:
        await until(lambda: bool(live.cluster.losses))
        assert live.cluster.losses[0][2] == reason

    play(scenario, on_ray=True, is_up=False, num_replicas=1, wrong=wrong)


@pytest.mark.nightly
@pytest.mark.usefixtures("ray")
def test_an_actor_is_gone_when_its_notice_has_passed() -> None:
    async def scenario(live: LiveCluster) -> None:
        live.ask(*some(1))
        live.backend.notice("replica-0", asyncio.get_running_loop().time() + 0.05)
        await until(lambda: bool(live.cluster.losses))
        await live.answered()

    play(scenario, on_ray=True, num_replicas=1)


PARENT = """
import asyncio, os, signal
from tests.cluster.live.live_cluster import LiveCluster
from weft.cluster.ray_connection import RayConnection

async def main():
    live = LiveCluster(on_ray=True)
    await live.cluster.up()
    print("IDS", *[live.backend.process_id(name) for name in live.names], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

RayConnection()
asyncio.run(main())
"""


@pytest.mark.nightly
def test_actors_and_an_instance_of_our_own_end_with_their_parent() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", PARENT], capture_output=True, text=True, cwd=ROOT, check=False
    )
    (line,) = [each for each in outcome.stdout.splitlines() if each.startswith("IDS")]
    asyncio.run(until(lambda: not any(is_alive(each) for each in line.split()[1:])))


@pytest.mark.nightly
def test_signals_stay_with_who_had_them() -> None:
    program = """
import os, signal
from weft.cluster.ray_connection import RayConnection
signal.signal(signal.SIGTERM, lambda *about: print("ours", flush=True))
connection = RayConnection()
os.kill(os.getpid(), signal.SIGTERM)
connection.close()
"""
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (outcome.returncode, outcome.stdout) == (0, "ours\n")
    assert "SIGTERM received" not in outcome.stderr


@pytest.mark.parametrize(
    "address",
    ["nonsense", "ray://127.0.0.1:10001", ":6379", "127.0.0.1:", "127.0.0.1:ssh", "127.0.0.1:99999"],
)
def test_what_is_no_address_is_said_so(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no address of a Ray instance|no Ray instance answers"):
        RayConnection(address)


def test_an_address_at_which_nobody_is() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError, match=f"no Ray instance answers at {address}: "):
            RayConnection(address)


@pytest.mark.nightly
def test_an_address_at_which_somebody_else_is() -> None:
    program = """
import socket
from weft.cluster import ray_connection
from weft.contracts.errors import ConfigurationError
ray_connection.CONNECT_S = 2.0
with socket.create_server(("127.0.0.1", 0)) as other:
    try:
        ray_connection.RayConnection(f"127.0.0.1:{other.getsockname()[1]}")
    except ConfigurationError as error:
        print(error)
"""
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "within 2 s; is that its head?" in outcome.stdout
    assert outcome.returncode == 0


def test_where_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError, match=r"Ray is not installed .*; pip install 'weft\[cluster\]'"):
        ray_connection.ray_module()


def test_nobody_is_told_that_ray_is_used() -> None:
    ray_connection.ray_module()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
