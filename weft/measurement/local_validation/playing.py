"""Playing orders against a driven engine, live or simulated: what both do alike."""

import asyncio
from collections.abc import Sequence

from weft.contracts.errors import WeftError
from weft.contracts.events import FirstToken, RequestEnded, Status
from weft.engine.driver import EngineDriver, News
from weft.measurement.local_validation.orders import Order
from weft.measurement.serving_figures import RequestTimes
from weft.observation.event_log import EventLog

TOGETHER_S = 1e-8
"""Requests that are less apart are handed in together: clocks are rounded to nanoseconds."""


async def play(driver: EngineDriver, log: EventLog, orders: Sequence[Order]) -> list[RequestTimes]:
    """Send each request at its time; what each got, in the order of arrival, on the loop's clock. `log`: the driver's.

    Requests that are due together are handed in together. Raises `WeftError` where a request is not answered whole: a
    run in which anybody got less is no measurement.
    """
    first_token_s: dict[str, float] = {}

    def note(event: FirstToken) -> None:
        first_token_s[event.request_id] = event.time_s

    log.subscribe(note, FirstToken)
    loop = asyncio.get_running_loop()
    begun_s, ends = loop.time(), list[asyncio.Task[RequestEnded]]()
    async with asyncio.TaskGroup() as group:
        for order in orders:
            if (wait_s := begun_s + order.arrival_s - loop.time()) > TOGETHER_S:
                await asyncio.sleep(wait_s)
            ends.append(group.create_task(_end(driver.submit(order.request))))
    log.unsubscribe(note)
    return [
        _times(order, begun_s, first_token_s[end.request_id], end)
        for order, end in zip(orders, (task.result() for task in ends), strict=True)
    ]


async def _end(news: News) -> RequestEnded:
    while not isinstance(item := await news.get(), RequestEnded):
        if isinstance(item, Exception):
            raise item
    if item.status is not Status.FINISHED:
        raise WeftError(f"the run ended: request {item.request_id} {item.status.value}: {item.reason}")
    return item


def _times(order: Order, begun_s: float, first_token_s: float, end: RequestEnded) -> RequestTimes:
    """From when it was meant to be sent."""
    if end.output_tokens != order.output_tokens:
        raise WeftError(
            f"the run ended: request {end.request_id} got {end.output_tokens} tokens of {order.output_tokens}"
        )
    return RequestTimes(
        begun_s + order.arrival_s,
        first_token_s,
        end.time_s,
        order.request.prompt.num_tokens,
        end.output_tokens,
    )
