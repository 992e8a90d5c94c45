"""A driver whose news all go one way: to a router that serves many clients by many engines."""

from collections.abc import Callable, Sequence

from weft.contracts.events import RequestEnded
from weft.contracts.execution import ServingExecutor
from weft.contracts.requests import Request
from weft.engine.arrivals import Resumption
from weft.engine.config import EngineConfig
from weft.engine.driver import EngineDriver
from weft.engine.replica import Output
from weft.observation.event_log import EventLog

Report = Callable[[Sequence[Output | RequestEnded]], object]
"""Told of what is new of all requests, in order, once for each step and not once for each token."""


class Reports:
    """What a driver has to tell: `report`, what it would put into mailboxes; `stopped`, what stopped it for good."""

    def __init__(self, report: Report, stopped: Callable[[Exception], object]) -> None:
        self._unreported: list[Output | RequestEnded] = []
        self._report, self.stopped = report, stopped

    def forget(self, request_id: str) -> None:
        """Tell no more of it: the next news under its id would be taken for those of another request."""
        self._unreported = [each for each in self._unreported if each.request_id != request_id]

    def tell(self, outputs: Sequence[Output], end: RequestEnded | None) -> None:
        """As `EngineDriver` does; an end waits for what has led to it."""
        self._unreported += outputs
        if end is not None:
            self._unreported.append(end)
        elif self._unreported:
            unreported, self._unreported = self._unreported, []
            self._report(unreported)


class ReportingDriver(EngineDriver):
    """An `EngineDriver` that reports."""

    def __init__(
        self,
        config: EngineConfig,
        executor: ServingExecutor,
        log: EventLog | None,
        report: Report,
        stopped: Callable[[Exception], object],
    ) -> None:
        self._reports = Reports(report, stopped)
        super().__init__(config, executor, log)

    def begin(self, request: Request, emitted: Resumption = None) -> None:
        """As `submit`, of a request that may have been with another engine; raises what `Engine.submit` raises."""
        try:
            self._begin(request, stream=True, emitted=emitted)
        except Exception:
            self._reports.forget(request.request_id)
            raise

    def cancel(self, request_id: str) -> None:
        super().cancel(request_id)
        self._reports.forget(request_id)

    def _tell(self, end: RequestEnded | None = None) -> None:
        self._reports.tell(self.engine.take_outputs(), end)

    def _stop(self, defect: Exception) -> None:
        super()._stop(defect)
        self._reports.stopped(self.defect or defect)
