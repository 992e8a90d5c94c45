"""Ray: actors and tasks as one system; here its actors as servers of a policy on their client's own machine."""

from typing import NamedTuple

from weft.measurement.embedded_serving import Policy, states_per_s_on_ray, states_per_s_over_http
from weft.measurement.state_forms import Form
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime

RATE = "states per second"

LARGE, SMALL = Policy(100 * 1024, 0.005), Policy(4 * 1024, 0.010)
"""States of 100 KB to a small fully connected network, and of 4 KB to a residual network (table 3)."""


class Served(NamedTuple):
    """A point of the grid: a policy, how its states travel over HTTP, and how long it is asked."""

    name: str
    state_bytes: int
    model_s: float
    form: str
    asked_s: float

    @property
    def policy(self) -> Policy:
        """What is served."""
        return Policy(self.state_bytes, self.model_s)


def measure(served: Served, seed: int) -> Observation:
    """One client, that asks for one batch after the other; the same states both times."""
    over_http = states_per_s_over_http(served.policy, Form(served.form), seed, served.asked_s)
    on_ray = states_per_s_on_ray(served.policy, seed, served.asked_s)
    return Observation(
        {RATE: Pair(over_http, on_ray)}, {"states/s that the model alone could": 64 / served.model_s}
    )


def _served(policy: Policy, form: Form, asked_s: float = 2.0) -> Served:
    size = "100 KB" if policy is LARGE else "4 KB"
    return Served(f"{size}, {form.value}", policy.state_bytes, policy.model_s, form.value, asked_s)


GRID = tuple(_served(policy, form) for form in Form for policy in (LARGE, SMALL))

CARD = Card(
    id="ray",
    title="Ray: A Distributed Framework for Emerging AI Applications",
    venue="OSDI",
    year=2018,
    claims=(
        Claim(
            quantity=RATE,
            number=23.8,
            effect=Effect.RATIO,
            unit="times the states per second",
            where="batches of 64 states of 100 KB, a model of 5 ms: 6,900 by a Ray actor, 290 by Clipper over REST, "
            "client and server on one machine; with states of 4 KB and a model of 10 ms 6,200 and 4,400",
            source="table 3",
            origin=Origin.PAPER,
        ),
    ),
    mechanism="A model lives in an actor, and what it is sent lies in memory that both processes see, so that a call "
    "costs neither text nor copies through sockets.",
    files=("weft/cluster/ray_backend.py", "weft/cluster/ray_host.py", "weft/cluster/ray_connection.py"),
    baseline="The same policy behind HTTP on the same machine, over one connection that stays open; states as numbers "
    "in JSON, and, where the grid says so, as base64 in JSON or as plain bytes.",
    grid=GRID,
    quick=_served(LARGE, Form.NUMBERS, asked_s=0.2),
    measure=measure,
    regime=Regime.LIVE_CPU,
    regime_reason="what is claimed are calls between processes, which a CPU makes; the model is a pause on either side",
    departures=(
        "Clipper is not run: a server of our own stands for it, without its queues and batching, which a single client "
        "that waits for each answer does not need; the paper does not say how states were written for it, and numbers "
        "in JSON are taken",
        "Ray is version 2, whose calls go straight to an actor; the paper's went through a scheduler of each node",
        "the model is a pause of the time that the paper's took, two processors do what a machine with a GPU did there",
        "a quick run starts an instance of Ray, which takes longer than the three seconds that cards have",
    ),
    finding="The number holds, and says more of JSON than of actors. In the paper's setting an actor takes 4,557 "
    "states per second (6,900 there) and HTTP with numbers in JSON 122 (290 there): writing and reading 1.6 million "
    "numbers per batch is what costs. Base64 in JSON takes 607 of the same states and plain bytes 3,258, so that of "
    "a gain of 35 times 1.2 are left. With small states plain HTTP is the faster one (5,124 against 3,613): a call "
    "of Ray costs more than a request over a connection that stays open. So the frames of replicas on Ray are bytes, "
    "one call for all that a step has brought. Two processors had other work, too (load 4 to 5).",
)
