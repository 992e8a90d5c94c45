"""A policy behind HTTP. Run as a process, `MODEL_S STATE_BYTES FORM`: it prints its port, and ends by SIGTERM."""

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from weft.measurement.embedded_serving import act
from weft.measurement.state_forms import Form, read_states, write_states


def main(model_s: float, state_bytes: int, form: Form) -> None:
    """Answer one batch after the other."""

    async def answer(request: Request) -> Response:
        states = read_states(await request.body(), form, state_bytes // 4)
        return Response(write_states(act(states, model_s)[:, None], form))

    # Named so, TCP makes asyncio send at once; else each answer waits 40 ms until its head is acknowledged.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run([listener])


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), Form(sys.argv[3]))
