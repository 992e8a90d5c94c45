"""The server as `weft serve` runs it, around a model that `weft bench` chooses, and watched when it is told to. Run as
a process of its own; its argument and its answers are JSON, its orders lines of stdin, with whose end it ends."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.cli.server_probes import probes_with
from weft.contracts.errors import WeftError
from weft.contracts.options import ServingOptions, serving_options
from weft.llm.async_llm import AsyncLLM
from weft.measurement.bench_model import BenchModel, describe_serving, load_model
from weft.measurement.latency_probes import Probes
from weft.measurement.latency_process import SERVED_NAME, model_of
from weft.server.lifecycle import listen, serve
from weft.server.state import ServerSettings, ServerState

if TYPE_CHECKING:
    from weft.executor.loading import Serving


class BenchLLM(AsyncLLM):
    """A bench's model, which may be random, with what `directory` has of texts."""

    serving: "Serving"

    def __init__(self, model: BenchModel, directory: Path, options: dict[str, Any]) -> None:
        self._model = model
        super().__init__(directory, bounded=False, **options)

    def _load(self, directory: Path, options: ServingOptions) -> "Serving":
        return load_model(self._model, options)


class Orders:
    """What the process that measures says: "on", "off", or "take", which is answered by what was seen."""

    def __init__(self, state: ServerState, probes: Probes) -> None:
        self._state, self._probes = state, probes

    def listen(self) -> None:
        """On the running loop."""
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._read)

    def _read(self) -> None:
        order = sys.stdin.readline().strip()
        if not order:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._state.drain()
            return
        if order == "take":
            answer(self._probes.take())
            return
        (self._probes.on if order == "on" else self._probes.off)()
        answer(order)


def answer(told: object) -> None:
    """One line."""
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()


def main(argument: str) -> None:
    """Serve on a free port, which is told with what is served."""
    asked = json.loads(argument)
    model, options = model_of(asked["directory"], asked["config"]), asked["options"]
    serving_options(options)
    listener, state = listen("127.0.0.1", 0), ServerState(ServerSettings((SERVED_NAME,)))

    def on_ready(llm: BenchLLM) -> None:
        runner = llm.serving.executor.runner
        Orders(state, Probes(probes_with(type(runner.ops)))).listen()
        answer({"port": listener.getsockname()[1], "serving": describe_serving(model, llm.serving)})

    asyncio.run(serve(listener, state, lambda: BenchLLM(model, Path(asked["texts"]), options), on_ready))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except WeftError as error:
        sys.exit(f"Error: {error}")
