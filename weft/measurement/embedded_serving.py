"""A policy that is asked for actions on its own machine, as an actor of Ray and over HTTP: states per second.

A policy takes a fixed time for a batch of states, which are vectors of float32.
"""

import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weft.cluster.ray_connection import RayConnection, ray_module
from weft.contracts.errors import WeftError
from weft.measurement.server.processes import line_with, running
from weft.measurement.state_forms import Form, read_states, write_states

SERVER = "weft.measurement.policy_server"

BATCH_STATES = 64
NUM_BATCHES = 4
"""Different ones, sent in turn, so that nothing can be kept from the time before."""

NUM_WARM = 2
"""Batches that do not count."""

States = NDArray[np.float32]
"""A row for each state; as actions, one number for each."""


class Policy(NamedTuple):
    """Takes states of so many bytes, and so many seconds for a batch of them."""

    state_bytes: int
    model_s: float


def act(states: States, model_s: float) -> States:
    """The actions: the first number of each state, after the time that a model would take."""
    time.sleep(model_s)
    return states[:, 0].copy()


def states_per_s_on_ray(policy: Policy, seed: int, duration_s: float) -> float:
    """By an actor, asked by one client. Raises `ConfigurationError` where Ray is not there."""
    connection = RayConnection()
    try:
        ray = ray_module()
        actor: Any = ray.remote(_PolicyActor).remote(policy.model_s)
        return _rate(lambda states: ray.get(actor.act.remote(states)), policy, seed, duration_s)
    finally:
        connection.close()


class _PolicyActor:
    """A policy in a process of Ray."""

    def __init__(self, model_s: float) -> None:
        self._model_s = model_s

    def act(self, states: States) -> States:
        return act(states, self._model_s)


def states_per_s_over_http(policy: Policy, form: Form, seed: int, duration_s: float) -> float:
    """By a server in a process of its own, asked by one client over one connection."""
    with running(SERVER, str(policy.model_s), str(policy.state_bytes), form.value) as server:
        connection = HTTPConnection("127.0.0.1", int(line_with(server)))

        def ask(states: States) -> States:
            connection.request("POST", "/", write_states(states, form))
            return read_states(connection.getresponse().read(), form, width=1)[:, 0]

        try:
            return _rate(ask, policy, seed, duration_s)
        finally:
            connection.close()


def _rate(ask: Callable[[States], States], policy: Policy, seed: int, duration_s: float) -> float:
    random = np.random.default_rng(seed)
    shape = (BATCH_STATES, policy.state_bytes // 4)
    batches = [random.random(shape, dtype=np.float32) for _ in range(NUM_BATCHES)]
    for number in range(NUM_WARM):
        _check(ask(batches[number]), batches[number])
    num_asked, begun_s = 0, time.perf_counter()
    while (took_s := time.perf_counter() - begun_s) < duration_s:
        states = batches[num_asked % NUM_BATCHES]
        _check(ask(states), states)
        num_asked += 1
    return num_asked * BATCH_STATES / took_s


def _check(actions: States, states: States) -> None:
    if not np.array_equal(actions, states[:, 0]):
        raise WeftError("a policy took actions for states that it was not sent")
