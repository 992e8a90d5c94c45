"""What the server does for clients, route by route: what the router, the advice in errors and the OpenAPI document
are made from."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from starlette.routing import Route

Needs = Literal["nothing", "model", "work"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route.

    `body`: schema of the request's, where it has one. `media_type`: of the answer; `streams`: whether it can be a
    stream of events instead. `needs`: "model", 503 while it is being loaded; "work", 429 or 503 also under load and
    while draining.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    endpoint: Callable[..., Any]
    summary: str
    body: type[BaseModel] | None = None
    needs: Needs = "nothing"
    streams: bool = False
    media_type: str = "application/json"

    @property
    def route(self) -> Route:
        """For the router."""
        return Route(self.path, self.endpoint, methods=[self.method])

    @property
    def plain_path(self) -> str:
        """Without types of parameters."""
        return re.sub(r"{(\w+):\w+}", r"{\1}", self.path)

    @property
    def shown_path(self) -> str:
        """For people: parameters in capitals."""
        return re.sub(r"{(\w+)}", lambda found: found[1].upper(), self.plain_path)

    @property
    def parameters(self) -> list[str]:
        """Names of those in the path."""
        return re.findall(r"{(\w+)}", self.plain_path)
