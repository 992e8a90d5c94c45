"""The server as `weft serve` runs it, with the built-in model's tokenizer and template, and an executor that does
nothing. Run as a process of its own, `STREAMS`; it prints its port once it is ready, and ends by SIGTERM."""

import asyncio
import sys

from weft.contracts.execution import ServingExecutor
from weft.llm.async_llm import AsyncLLM
from weft.llm.model_path import resolve_model
from weft.server.lifecycle import listen, serve
from weft.server.state import ServerSettings, ServerState
from weft.simulator.null_executor import NullExecutor


class NullLLM(AsyncLLM):
    """The built-in model, which never computes, with room for so many sequences."""

    def __init__(self, max_num_seqs: int) -> None:
        super().__init__(resolve_model(None), max_num_seqs=max_num_seqs, num_threads=1, bounded=False)
        self._null = NullExecutor()

    @property
    def executor(self) -> ServingExecutor:
        """Answers at once."""
        return self._null


def main(streams: int) -> None:
    """Serve on a free port."""
    listener = listen("127.0.0.1", 0)

    def announce(_: AsyncLLM) -> None:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()

    state = ServerState(ServerSettings(("null",)))
    asyncio.run(serve(listener, state, lambda: NullLLM(streams), announce))


if __name__ == "__main__":
    main(int(sys.argv[1]))
