"""A model served by several replicas, on this machine or on Ray, behind a router in this process.

This process reads and writes texts; it holds no weights. What a replica computes it also computes alone, so a request
whose replica is lost goes on at another, and its client sees one stream.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from weft.cluster.cluster import Cluster
from weft.cluster.controllers import RollingRestart
from weft.cluster.member import Member
from weft.cluster.nodes import Node
from weft.cluster.router_driver import RouterDriver
from weft.cluster.timing import Timing
from weft.contracts.callers import Caller
from weft.contracts.errors import ConfigurationError
from weft.contracts.execution import Messages, Provisioning
from weft.contracts.requests import Slo
from weft.engine.config import EngineConfig
from weft.llm.constraining import ConstraintCompiler
from weft.llm.language_model import LanguageModel
from weft.llm.prompting import Prompting
from weft.llm.replica_plan import ReplicaPlan, named_policies
from weft.llm.results import ABANDONED, RequestAbandoned
from weft.model_specs.model_spec import ModelSpec
from weft.observation.event_log import EventLog
from weft.policies.choices import DEFAULT_POLICIES, DEFAULT_ROUTER, PolicyChoices
from weft.policies.registry import PolicyChoice, make_route_policy

log = logging.getLogger("weft.cluster")

DRAIN_S = 30.0
"""Before a restart, for requests under way; then they go on at another replica."""


class Backend(Messages, Provisioning, Protocol):
    """Where replicas run. `receive` is to be told of what they send, `went_away` of one that has ended by itself: its
    name, its incarnation, and why."""

    receive: Callable[[str, object], object]
    went_away: Callable[[str, int, str], object]

    def nodes(self) -> list[Node]:
        """Where actors can be started."""

    async def close(self) -> None:
        """End all that is left."""


MakeBackend = Callable[[ReplicaPlan, Timing], Backend]


class ServedByReplicas(NamedTuple):
    """See `Served`."""

    spec: ModelSpec
    max_model_len: int
    config: EngineConfig


class ClusterLLM(LanguageModel):
    """As `AsyncLLM`, by `replicas` of the model among which `router` chooses. `make_backend`: where they run; `timing`:
    see there. Loading happens with `start`, in the replicas.

    Raises `ConfigurationError` for whatever keeps the model from being served so often.
    """

    def __init__(
        self,
        model: str | Path,
        make_backend: MakeBackend,
        *,
        replicas: int,
        router: PolicyChoice = DEFAULT_ROUTER,
        timing: Timing | None = None,
        tokenizer: str | Path | None = None,
        chat_template: str | Path | None = None,
        tool_format: str = "auto",
        policies: PolicyChoices = DEFAULT_POLICIES,
        objective: Slo | None = None,
        max_queue_delay_s: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        _check(replicas, router, policies)
        self.num_replicas, self.router, self._timing = replicas, router, timing or Timing()
        served, options = self._shared(Path(model), options, replicas)
        self.serving = served._replace(config=served.config.with_policies(policies))
        within = None if objective is None else (objective.ttft_s, objective.tpot_s)
        texts = _texts(Path(model).resolve(), tokenizer, chat_template, tool_format)
        how = options, named_policies(policies), within, max_queue_delay_s
        self.plan = ReplicaPlan(*texts, *how, self._emulated)
        self.prompting = _prompting(self.plan, self.serving)
        self.prompting.warn_of_defaults()
        self._preparation = ConstraintCompiler(None)  # that is for the replicas to do
        self.log = EventLog()
        self._make_backend = make_backend
        self._backend: Backend | None = None
        self.cluster: Cluster | None = None
        self._driver: RouterDriver | None = None
        self._is_abandoned = False

    _emulated: tuple[str, str, float] | None = None

    def _shared(
        self, model: Path, options: dict[str, Any], replicas: int
    ) -> tuple[ServedByReplicas, dict[str, Any]]:
        """What each replica serves, and the options with its share of the machine."""
        # Here, so that importing weft costs no second: torch comes with it.
        from weft.executor.shared_machine import plan_share

        share, options = plan_share(model, options, replicas)
        return ServedByReplicas(share.spec, share.max_model_len, share.config), options

    async def start(self) -> None:
        """Start all replicas, and wait until each has been ready once."""
        if self.cluster is not None:
            return
        backend = self._backend = self._make_backend(self.plan, self._timing)
        names = [f"replica-{number}" for number in range(self.num_replicas)]
        policy, nodes = make_route_policy(self.router), backend.nodes()
        self.cluster = Cluster(names, nodes, policy, backend, backend, self._timing, on_lost=_warn_of_loss)
        backend.receive, backend.went_away = self.cluster.receive, self.cluster.went_away
        self._driver = RouterDriver(self.cluster.router, self.log)
        await self.cluster.up()

    @property
    def objective(self) -> Slo | None:
        within = self.plan.objective
        return None if within is None else Slo(*within)

    def restart_replicas(self) -> None:
        """Restart one after the other, unless that is being done. Clients notice nothing but a pause at most."""
        if self.cluster is not None and not any(
            isinstance(each, RollingRestart) for each in self.cluster.controllers
        ):
            log.warning("restarting %d replicas, one after the other", self.num_replicas)
            names = [member.name for member in self.members]
            self.cluster.controllers.append(RollingRestart(names, DRAIN_S))

    async def close(self) -> None:
        if self.cluster is not None and self._backend is not None:
            self.abandon()
            self.cluster.close()
            await self._backend.close()

    def abandon(self) -> None:
        self._is_abandoned = True
        if self._driver is not None:
            self._driver.fail_all(ABANDONED)

    @property
    def fingerprint(self) -> str:
        """Raises `ConfigurationError` before a replica is ready."""
        found = None if self.cluster is None else self.cluster.router.membership.fingerprint
        if found is None:
            raise ConfigurationError("no replica is ready yet; wait for start()")
        return found

    @property
    def num_output_tokens(self) -> int:
        """That clients were told so far."""
        return 0 if self._driver is None else self._driver.num_output_tokens

    @property
    def members(self) -> list[Member]:
        """Its replicas, as the router knows them."""
        return [] if self.cluster is None else list(self.cluster.router.membership.members.values())

    @property
    def defect(self) -> Exception | None:
        """None: a replica that has one is replaced."""
        return None

    def check_load(self, caller: Caller, prompt_tokens: int) -> None:
        """Replicas judge their load themselves, so no request is refused before one was asked."""

    def _driven(self) -> RouterDriver:
        if self._is_abandoned:
            raise RequestAbandoned(ABANDONED)
        if self._driver is None:
            raise ConfigurationError("the replicas have not been started; await start() first")
        return self._driver


def _warn_of_loss(name: str, reason: str) -> None:
    log.warning("%s is lost: %s; its requests go on elsewhere, and it is started anew", name, reason)


def _check(replicas: int, router: PolicyChoice, policies: PolicyChoices) -> None:
    policies.check()
    make_route_policy(router)
    if replicas < 1:
        raise ConfigurationError(f"replicas is {replicas}; give 1 or more")


def _texts(
    model: Path, tokenizer: str | Path | None, chat_template: str | Path | None, tool_format: str
) -> tuple[str, str | None, str | None, str]:
    """Paths as another process gets them."""
    read_from, talks_by = (None if each is None else str(each) for each in (tokenizer, chat_template))
    return str(model), read_from, talks_by, tool_format


def _prompting(plan: ReplicaPlan, serving: ServedByReplicas) -> Prompting:
    read_from, talks_by = (
        None if each is None else Path(each) for each in (plan.tokenizer, plan.chat_template)
    )
    sizes = serving.spec.vocab_size, serving.max_model_len
    return Prompting(Path(plan.directory), *sizes, read_from, talks_by, plan.tool_format)
