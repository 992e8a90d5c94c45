"""How vectors of float32 travel over HTTP."""

import base64
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json


class Form(Enum):
    """As numbers in JSON, as base64 in JSON, or as they are."""

    NUMBERS = "numbers"
    BASE64 = "base64"
    BYTES = "bytes"


def write_states(states: NDArray[np.float32], form: Form) -> bytes:
    """Rows of numbers as the body of a message."""
    match form:
        case Form.NUMBERS:
            return to_json(states.tolist())
        case Form.BASE64:
            return to_json(base64.b64encode(states.tobytes()).decode())
        case Form.BYTES:
            return states.tobytes()


def read_states(body: bytes, form: Form, width: int) -> NDArray[np.float32]:
    """The rows of so many numbers that a body holds."""
    match form:
        case Form.NUMBERS:
            return np.array(from_json(body), dtype=np.float32)
        case Form.BASE64:
            return np.frombuffer(base64.b64decode(from_json(body)), np.float32).reshape(-1, width)
        case Form.BYTES:
            return np.frombuffer(body, np.float32).reshape(-1, width)
