"""Whether a service of several replicas gets on."""

from weft.cluster.member import Phase
from weft.llm.cluster_llm import ClusterLLM


class ClusterHealth:
    """See `Health`. Replicas that do not get on are replaced, so one that is up is enough."""

    def __init__(self, llm: ClusterLLM) -> None:
        self._llm = llm

    def is_slow(self, now_s: float) -> bool:
        """Never: the requests of a slow replica go elsewhere by themselves."""
        return False

    def problem(self, now_s: float) -> str | None:
        """See `Health`."""
        is_up = any(member.phase is Phase.UP for member in self._llm.members)
        return None if is_up else "no replica is up"
