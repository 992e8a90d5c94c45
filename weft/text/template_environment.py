"""The closed room that chat templates run in, with the names that Hugging Face's templates expect.

Templates come with models, so they are other people's programs. They see plain data only, in jinja2's
sandbox; nothing random, no clock but the one handed in; and `template_budget.py` bounds their work.
"""

import functools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from weft.text.template_budget import check_call, check_operation, check_size, check_value, current, size_of

MOST_INDENT = 64
"""The widest indentation of JSON that `tojson` makes."""

# Filters that do not write a list or object out.
_LOOKING = (
    *(
        "length",
        "count",
        "first",
        "last",
        "list",
        "items",
        "reverse",
        "sort",
        "dictsort",
        "unique",
        "groupby",
    ),
    *(
        "map",
        "select",
        "selectattr",
        "reject",
        "rejectattr",
        "default",
        "d",
        "batch",
        "slice",
        "sum",
        "min",
        "max",
    ),
)


class RaisedByTemplate(TemplateError):
    """A template called raise_exception: the messages are not what its model was trained for."""


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """`now`: what `strftime_now` formats; where it is None the name is undefined, which templates ask for."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, now: Callable[[], datetime] | None) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.loopcontrols", _Generation],
            finalize=_count,
            cache_size=0,
        )
        for name in ("random", "urlize"):
            del self.filters[name]
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        self.filters = {name: _checked(name, function) for name, function in self.filters.items()}
        self.filters["tojson"] = _to_json
        self.globals |= {"raise_exception": _raise, "namespace": _PlainNamespace, "dict": _make_dict}
        if now is not None:
            self.globals["strftime_now"] = lambda layout: now().strftime(layout)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _Metered().visit(super()._parse(source, name, filename))  # type: ignore[no-any-return]

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            check_call(__obj.__name__, owner, [*args, *kwargs.values()])
        return super().call(__context, __obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        def checked(*args: Any, **kwargs: Any) -> str:
            check_call("format", value.__self__, [*args, *kwargs.values()])
            return wrapped(*args, **kwargs)

        return checked

    @property
    def step(self) -> None:
        """What the compiled template reads in each turn of a loop and each call of a macro; a property, because
        the sandbox makes a call ten times as dear."""
        current().step()

    def write(self, characters: int) -> None:
        """What it calls before it writes text of its own."""
        current().write(characters)

    def concatenate(self, *values: object) -> str:
        """What it calls for `a ~ b`."""
        check_value(values)
        return "".join(map(str, values))


class _Metered(NodeTransformer):
    """Puts the meter into a template: jinja2's sandbox leaves `~` alone and bounds `range` only."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        return self._stepping(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._stepping(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _call("concatenate", node.nodes, node.lineno)

    def visit_Output(self, node: nodes.Output) -> list[nodes.Node]:  # noqa: N802
        """Text between the tags does not pass `finalize`."""
        self.generic_visit(node)
        size = sum(len(inner.data) for inner in node.nodes if isinstance(inner, nodes.TemplateData))
        write = _call("write", [nodes.Const(size)], node.lineno)
        return [nodes.ExprStmt(write, lineno=node.lineno), node] if size else [node]

    def _stepping(self, node: nodes.For | nodes.Macro) -> nodes.Node:
        self.generic_visit(node)
        step = nodes.EnvironmentAttribute("step", lineno=node.lineno)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        return node


def _call(method: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
    function = nodes.EnvironmentAttribute(method, lineno=line)
    return nodes.Call(function, arguments, [], None, None, lineno=line)


class _Generation(Extension):
    """`{% generation %}` marks what the model wrote, for training; here it only shows what is inside."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _PlainNamespace(Namespace):
    """jinja2's namespace() without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *rest = args
        values = dict(*rest, **kwargs)
        for name in values:
            _check_name(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"it stores {name!r}, a name with an underscore before it")


def _make_dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    return dict(*args, **kwargs)


def _raise(message: object) -> NoReturn:
    raise RaisedByTemplate(str(message))


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers has it: nothing is escaped for HTML."""
    check_value(value)
    if isinstance(indent, int) and indent > MOST_INDENT:
        raise SecurityError(f"it indents JSON by {indent}, at most {MOST_INDENT}")
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _count(value: Any) -> Any:
    """Each output passes here, also that of macros and blocks."""
    if not isinstance(value, str):
        check_value(value)
    current().write(size_of(value))
    return value


def _checked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose arguments are looked at first; jinja2's marks on the function stay."""
    before = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        value, *rest = args[before:]
        rest = [*rest, *kwargs.values()]
        if name == "join":
            value = list(value)
            check_call(name, str(rest[0]) if rest else "", [value])
        elif isinstance(value, str):
            check_call(name, value, rest)
        elif name not in _LOOKING:
            check_value(value)
        result = function(*args[:before], value, *args[before + 1 :], **kwargs)
        check_size(size_of(result))
        return result

    return checked
