"""A router where an engine's driver is expected: mailboxes for clients, and a log of what they see."""

import asyncio
from functools import partial

from weft.cluster.router import Router
from weft.contracts.errors import RequestRejected
from weft.contracts.events import FirstToken, RequestArrived, RequestEnded, Status
from weft.contracts.requests import Request
from weft.engine.driver import MOST_UNREAD, News
from weft.engine.mailbox import Mailbox
from weft.engine.replica import Output
from weft.observation.event_log import EventLog

OVERDUE = "its client leaves too much unread"


class RouterDriver:
    """As `EngineDriver`, of many engines. `log`: arrivals, first tokens and ends, as clients see them.
    `num_output_tokens`: that clients were told."""

    def __init__(self, router: Router, log: EventLog) -> None:
        self._router, self._log = router, log
        self._loop = asyncio.get_running_loop()
        self.num_output_tokens = 0
        self._seen: dict[str, bool] = {}  # of requests that have not ended: whether there is output

    def submit(self, request: Request, *, stream: bool = False) -> News:
        """Have a request answered; raises what `Router.ask` raises."""
        news = Mailbox[Output | RequestEnded | Exception]()
        about = (request.request_id, request.tenant, request.prompt.num_tokens, request.sampling.max_tokens)
        self._log.record(RequestArrived(self._loop.time(), *about, request.session))
        self._seen[request.request_id] = False
        try:
            self._router.ask(request, partial(self._tell, request.request_id, news), whole=not stream)
        except RequestRejected as refusal:
            self._end(request.request_id, Status.REJECTED, refusal.reason)
            raise
        return news

    def cancel(self, request_id: str) -> None:
        """End a request, if it is live; nothing more is told of it."""
        self._router.cancel(request_id)
        self._end(request_id, Status.CANCELLED, "cancelled by the client")

    def stop_output(self, request_id: str, sample_index: int, num_tokens: int) -> bool:
        """See `Router`."""
        return self._router.stop_output(request_id, sample_index, num_tokens)

    def fail_all(self, reason: str) -> None:
        """End all requests."""
        self._router.fail_all(reason)

    def _tell(self, request_id: str, news: News, item: Output | RequestEnded | Exception) -> None:
        if isinstance(item, Output):
            self.num_output_tokens += len(item.tokens)
            if item.tokens and not self._seen[request_id]:
                self._seen[request_id] = True
                self._log.record(FirstToken(self._loop.time(), request_id))
        elif isinstance(item, RequestEnded):
            self._end(request_id, item.status, item.reason, item.output_tokens)
        elif isinstance(item, RequestRejected):
            self._end(request_id, Status.REJECTED, item.reason)
        else:
            self._end(request_id, Status.FAILED, str(item))
        news.put_nowait(item)
        if news.qsize() == MOST_UNREAD:
            self._loop.call_soon(self._router.fail, request_id, OVERDUE)

    def _end(self, request_id: str, status: Status, reason: str, output_tokens: int = 0) -> None:
        if self._seen.pop(request_id, None) is not None:
            self._log.record(RequestEnded(self._loop.time(), request_id, status, reason, output_tokens))
