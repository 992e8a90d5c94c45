"""What a router knows of the replicas that it sends requests to."""

from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.contracts.routing import LoadReport


class OutputLengths:
    """How long the outputs were that came to their end, over all replicas; `mean` is 0 before the first, so that until
    then only prompts count."""

    __slots__ = ("_num_outputs", "_total_tokens", "mean")

    def __init__(self) -> None:
        self._num_outputs = self._total_tokens = 0
        self.mean = 0.0

    def learn(self, output_tokens: int) -> None:
        """An output, of all samples of a request, has come to its end."""
        self._num_outputs += 1
        self._total_tokens += output_tokens
        self.mean = self._total_tokens / self._num_outputs


class ReplicaBooks:
    """A `ReplicaView` of one replica. `lengths`: learned from all of them, and shared."""

    __slots__ = ("_lengths", "name", "num_outstanding", "prompt_tokens", "report", "reported_s")

    def __init__(self, name: str, lengths: OutputLengths) -> None:
        self.name, self._lengths = name, lengths
        self.num_outstanding = self.prompt_tokens = 0
        self.report: LoadReport | None = None
        self.reported_s = 0.0

    @property
    def outstanding_tokens(self) -> float:
        """Of prompts that it was given and that have not ended, and as many outputs of the mean length."""
        return self.prompt_tokens + self.num_outstanding * self._lengths.mean

    def note_routed(self, request: Request) -> None:
        """It was sent a request."""
        self.num_outstanding += 1
        self.prompt_tokens += request.prompt.num_tokens

    def note_ended(self, request: Request, status: Status, output_tokens: int) -> None:
        """It is done with one, in whatever way; a length is learned only from an output that came to its end."""
        self.num_outstanding -= 1
        self.prompt_tokens -= request.prompt.num_tokens
        if status is Status.FINISHED:
            self._lengths.learn(output_tokens)

    def note_report(self, report: LoadReport, now_s: float) -> None:
        """It has told of itself."""
        self.report, self.reported_s = report, now_s
