"""Who asks, and on what terms."""

from dataclasses import dataclass

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import Prompt
from weft.contracts.requests import Request, SamplingParams, Slo

DEFAULT_TENANT = "default"
MOST_NAME_CHARACTERS = 128
MOST_PRIORITY = 100
"""Either way: with the ageing of `--order priority`, the least urgent wait at most 200 minutes for the most urgent."""
MOST_OBJECTIVE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says beside its prompt and how to answer it.

    `tenant`: whose share of the engine and whose cached state it uses. `priority`: the smaller, the more urgent; of
    -100 to 100. `slo`: how fast it is to be answered, or there is no use in it; each at most an hour. `session`:
    requests of one conversation share it. `cache_salt`: requests of one tenant share cached state only under the same
    salt. Names are 1 to 128 characters. Raises `InvalidRequest` for what is not so.
    """

    tenant: str = DEFAULT_TENANT
    priority: int = 0
    slo: Slo | None = None
    session: str | None = None
    cache_salt: str | None = None

    def __post_init__(self) -> None:
        for name in ("tenant", "session", "cache_salt"):
            value = getattr(self, name)
            _require(
                value is None or 1 <= len(value) <= MOST_NAME_CHARACTERS,
                f"{name} has {len(value or '')} characters; give 1 to {MOST_NAME_CHARACTERS}",
            )
        _require(
            -MOST_PRIORITY <= self.priority <= MOST_PRIORITY,
            f"priority is {self.priority}; it must be between -{MOST_PRIORITY} and {MOST_PRIORITY}",
        )
        if self.slo is not None:
            self._check_objectives(self.slo)

    @staticmethod
    def _check_objectives(slo: Slo) -> None:
        for name, objective_s in (("ttft_s", slo.ttft_s), ("tpot_s", slo.tpot_s)):
            _require(
                objective_s is None or 0.0 < objective_s <= MOST_OBJECTIVE_S,
                f"{name} is {objective_s}; it must be above 0 and at most {MOST_OBJECTIVE_S:.0f} seconds",
            )

    def request(self, request_id: str, prompt: Prompt, sampling: SamplingParams) -> Request:
        """What the caller asks for, as the engine takes it."""
        return Request(
            request_id,
            prompt,
            sampling,
            self.tenant,
            self.priority,
            self.slo,
            self.session,
            cache_salt=self._salt,
        )

    @property
    def _salt(self) -> str | None:
        """A salt of the client's own divides what its tenant has, and shares nothing with
        other tenants that name the same: so the tenant is a part of it."""
        return None if self.cache_salt is None else f"{len(self.tenant)}:{self.tenant}:{self.cache_salt}"


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InvalidRequest(message)


ANYONE = Caller()
"""Who says nothing of this."""
