"""Objects inside the body of a request to /v1/chat/completions."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from weft.server.protocol.fields import Strict

MOST_TOOLS = 128
MOST_DESCRIPTION_CHARACTERS = 1 << 16

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Description = Annotated[str, Field(max_length=MOST_DESCRIPTION_CHARACTERS)]


class Function(Strict):
    """A function that the client runs. `parameters`: a JSON schema of its arguments; without one it has none."""

    name: ToolName
    description: Description | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    """Of functions only."""

    type: Literal["function"]
    function: Function


class FunctionName(Strict):
    """Which function."""

    name: ToolName


class NamedChoice(Strict):
    """This tool must be called."""

    type: Literal["function"]
    function: FunctionName


def _kind_of_choice(value: Any) -> str:
    return "[mode]" if isinstance(value, str) else "[tool]"


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("[mode]")] | Annotated[NamedChoice, Tag("[tool]")],
    Discriminator(_kind_of_choice),
]


class TextFormat(Strict):
    """Anything."""

    type: Literal["text"]


class JsonObjectFormat(Strict):
    """Any JSON object."""

    type: Literal["json_object"]


class NamedSchema(Strict):
    """`name`, `description`: notes for models that are shown the schema; ours are not."""

    name: ToolName
    description: Description | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class JsonSchemaFormat(Strict):
    """JSON that fits a schema; without one, any JSON object."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


AnswerFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
