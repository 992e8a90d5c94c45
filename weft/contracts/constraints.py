"""What an output must look like."""

from dataclasses import dataclass
from typing import Literal

ConstraintKind = Literal["json_schema", "regex", "lark"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A language that the whole text of an output must belong to.

    `kind` says how `source` is to be read: "json_schema", a JSON schema as JSON text ({"type": "object"} for any
    object); "regex", a regular expression that the whole text matches; "lark", a grammar in the dialect of Lark that
    llguidance reads, with `%json {…}` for a schema inside it. The output may end where the text is complete,
    and must end where nothing can follow.
    """

    kind: ConstraintKind
    source: str
