"""The class that structured answers are to be of."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Alarm(BaseModel):
    """A choice and nothing else: a small model at a high temperature hardly ends what may go on, and some clients leave
    lengths out of their schemas."""

    model_config = ConfigDict(extra="forbid")
    time: Literal["10:30", "11:30"]
