"""Fields for what outputs must look like, as vLLM's clients send them beside the protocol's own."""

from typing import Annotated, Any

from pydantic import Field

from weft.contracts.constraints import Constraint, constraint_from
from weft.server.errors import ApiError
from weft.server.protocol.fields import GenerationFields, Strict
from weft.server.protocol.unsupported import only

MOST_SOURCE_CHARACTERS = 1 << 18
MOST_CHOICES = 1024
MOST_CHOICE_CHARACTERS = 4096

Source = Annotated[str, Field(min_length=1, max_length=MOST_SOURCE_CHARACTERS)]
Schema = dict[str, Any] | Source
Choices = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MOST_CHOICE_CHARACTERS)]],
    Field(min_length=1, max_length=MOST_CHOICES),
]


class StructuredOutputs(Strict):
    """One of these. `json`: a schema, as an object or as text; `grammar`: in llguidance's dialect of Lark."""

    json_: Annotated[Schema | None, Field(alias="json")] = None
    regex: Source | None = None
    choice: Choices | None = None
    grammar: Source | None = None
    json_object: bool | None = None
    disable_additional_properties: Annotated[Any, only(False)] = None
    disable_any_whitespace: Annotated[Any, only(False)] = None
    structural_tag: Annotated[Any, only()] = None
    whitespace_pattern: Annotated[Any, only()] = None


class StructuredFields(GenerationFields):
    """`structured_outputs` is vLLM's; so are the others, which are its older names."""

    structured_outputs: StructuredOutputs | None = None
    guided_json: Schema | None = None
    guided_regex: Source | None = None
    guided_choice: Choices | None = None
    guided_grammar: Source | None = None

    def constraint(self) -> Constraint | None:
        """What these fields ask for. Raises `ApiError` 400 where they ask for more than one thing."""
        asked = self.structured_outputs or StructuredOutputs()
        fields = ("json", "regex", "choice", "grammar")
        newer = [asked.json_, asked.regex, asked.choice, asked.grammar]
        older = [self.guided_json, self.guided_regex, self.guided_choice, self.guided_grammar]
        named = zip((*fields, *fields), (*newer, *older), strict=True)
        given: list[tuple[str, Any]] = [(name, value) for name, value in named if value is not None]
        if asked.json_object:
            given.append(("json_object", True))
        if len(given) > 1:
            names = " and ".join(name for name, _ in given)
            raise ApiError(
                400,
                f"structured_outputs asks for {names}; an output can follow one of them, so leave one",
                param="structured_outputs",
            )
        return constraint_from(**dict(given))
