"""What the library says of a constraint that it cannot compile, in a sentence for the client."""

import re

from weft.contracts.constraints import Constraint

_ADVICE = (
    ("Unimplemented keys: ", "uses keywords that cannot be enforced ({rest}); leave them out"),
    ("Unknown format: ", "has the format {rest!r}, which cannot be enforced; leave it out or give a pattern"),
    ("Unsatisfiable schema: ", "can be satisfied by nothing ({rest}); correct it"),
    ("oneOf constraints", "has a oneOf whose alternatives may overlap, which cannot be enforced; use anyOf"),
    (
        "error: look-around",
        "has a pattern that looks ahead or back, which cannot be enforced; write it without",
    ),
    ("lookarounds not", "has a pattern that looks ahead or back, which cannot be enforced; write it without"),
    ("error: backreferences", "has a pattern that refers back, which cannot be enforced; write it without"),
    ("Resource ", "refers ($ref) to what is not inside it; put the definition below $defs"),
    ("schema too large", "has too many combinations of alternatives; make it simpler"),
)
_PLACE = re.compile(r"^\s*(?:at )?\d+\(\d+\): |failed to compile JSON schema: ")
_MOST = 160


def name_of(constraint: Constraint) -> str:
    """What clients call it."""
    return "grammar" if constraint.kind == "lark" else constraint.kind


def complaint(constraint: Constraint, error: str) -> str:
    """Names what is wrong and what to do, on one line."""
    name = name_of(constraint)
    for beginning, advice in _ADVICE:
        _, found, rest = error.partition(beginning)
        if found:
            return f"the {name} {advice.format(rest=_line(rest))}"
    if "too complex" in error.lower() or "fuel" in error.lower() or "limit" in error.lower():
        return f"the {name} is too large to be enforced; make it simpler"
    return f"the {name} cannot be read: {_reason(error)}; correct it"


def _reason(error: str) -> str:
    lines = error.splitlines() or [error]
    said = [line.partition("error: ")[2] for line in lines if line.lstrip().startswith("error: ")]
    return _line(said[0] if said else lines[0])


def _line(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    while (shorter := _PLACE.sub("", first)) != first:
        first = shorter
    return first[:_MOST].strip().rstrip(".")
