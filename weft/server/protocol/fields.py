"""Fields that both protocols share, each with its bounds: no number, list or text of a client is unlimited."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from weft.contracts.callers import MOST_NAME_CHARACTERS, MOST_PRIORITY
from weft.contracts.requests import MOST_LOGPROBS
from weft.server.protocol.unsupported import only

MOST_STOPS = 16
MOST_STOP_CHARACTERS = 1024
MOST_STOP_TOKENS = 128
MOST_BIASES = 1024
MOST_TOKENS = 1 << 31


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _token_key(value: str) -> str:
    """JSON has no other keys than texts."""
    if not (value.isascii() and value.isdigit() and len(value) <= 10):
        raise PydanticCustomError("token_key", "keys must be token ids, such as '42'")
    return value


OneStop = Annotated[str, Field(min_length=1, max_length=MOST_STOP_CHARACTERS)]
Stops = Annotated[list[OneStop], Field(max_length=MOST_STOPS)]
Stop = Annotated[Stops, BeforeValidator(_listed, json_schema_input_type=OneStop | Stops)]
TokenId = Annotated[int, Field(ge=0, lt=MOST_TOKENS)]
BiasKey = Annotated[str, AfterValidator(_token_key)]
Bias = Annotated[float, Field(ge=-100, le=100)]
Count = Annotated[int, Field(ge=1, lt=MOST_TOKENS)]
ModelName = Annotated[str, Field(max_length=256)]


class Strict(BaseModel):
    """An object without unknown fields, without conversions between types, without infinities."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class StreamOptions(Strict):
    """`include_usage`: a last chunk tells how many tokens there were. `continuous_usage_stats`: all others tell how
    many there are so far, as in vLLM. `include_obfuscation`: chunks are padded to hide their length; we never do."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    include_obfuscation: Annotated[Any, only(False)] = None


class RequestFields(Strict):
    """What every request for output says: to which model, and whether the answer is to be a stream. Ours are `priority`
    and `cache_salt`, which mean what they do in `Caller`."""

    model: ModelName
    stream: bool | None = None
    priority: Annotated[int, Field(ge=-MOST_PRIORITY, le=MOST_PRIORITY)] | None = None
    cache_salt: Annotated[str, Field(min_length=1, max_length=MOST_NAME_CHARACTERS)] | None = None


class GenerationFields(RequestFields):
    """What can be said of any generation; None where the client says nothing.

    `user` changes nothing: it is the client's own note on whom the request is for. From `top_k` on the fields are ours;
    they mean what they do in `SamplingParams`.
    """

    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Stop | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: Annotated[dict[BiasKey, Bias], Field(max_length=MOST_BIASES)] | None = None
    stream_options: StreamOptions | None = None

    user: Annotated[str, Field(max_length=MOST_NAME_CHARACTERS)] | None = None
    top_k: Annotated[int, Field(ge=0, lt=MOST_TOKENS)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] | None = None
    min_tokens: Annotated[int, Field(ge=0, lt=MOST_TOKENS)] | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=MOST_STOP_TOKENS)] | None = None
    ignore_eos: bool | None = None
    prompt_logprobs: Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None = None
