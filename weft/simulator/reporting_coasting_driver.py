"""The driver of a simulated replica under a router's orders: it coasts where nobody wants to know of each token."""

from weft.cluster.inference_replica import Reporter
from weft.contracts.events import RequestEnded
from weft.contracts.requests import Request
from weft.engine.arrivals import Resumption
from weft.engine.config import EngineConfig
from weft.engine.reporting_driver import Reports
from weft.observation.event_log import EventLog
from weft.simulator.coasting_driver import CoastingDriver
from weft.simulator.simulated_executor import SimulatedExecutor


class TellingDriver(CoastingDriver):
    """Tells tokens as they come, as a `ReportingDriver` does, of which a compiled class cannot be one as well."""

    def __init__(
        self, config: EngineConfig, executor: SimulatedExecutor, log: EventLog, reporter: Reporter
    ) -> None:
        self._reports = Reports(reporter.report, reporter.stopped)
        super().__init__(config, executor, log)

    def begin(self, request: Request, emitted: Resumption = None) -> None:
        """As `ReportingDriver.begin`."""
        self._land()
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


class EndsDriver(CoastingDriver):
    """Tells only the end of each request, when all that led to it has been done."""

    def __init__(
        self, config: EngineConfig, executor: SimulatedExecutor, log: EventLog, reporter: Reporter
    ) -> None:
        self._reporter = reporter
        super().__init__(config, executor, log)

    def begin(self, request: Request, emitted: Resumption = None) -> None:
        """As `answer`; raises what `Engine.submit` raises."""
        self.answer(request, self._report, emitted)

    def _report(self, end: RequestEnded | Exception) -> None:
        if isinstance(end, RequestEnded):
            self._reporter.report((end,))
        else:
            self._reporter.stopped(end)
