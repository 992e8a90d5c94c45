"""A page of one file: no scripts, and nothing is fetched. Whatever comes from outside is escaped here or in plots."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from weft.measurement.svg_plot import Plot

_COLOURS = ("#0b61a4", "#b3470b", "#2a7a2a", "#8a2a8a", "#8a6d00", "#4a4a4a")
_COLOURS_ON_DARK = ("#6cb6ff", "#ff9d66", "#7fd37f", "#e29be2", "#e0c04c", "#b8b8b8")

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --faint: #d8d8d8; --mark: #c00020; LIGHT }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #161616; --faint: #3c3c3c; --mark: #ff6b7d; DARK }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1180px;
  margin: 0 auto; padding: 1rem 1.5rem; }
h1, td, th, pre { overflow-wrap: anywhere; }
pre, .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15rem 0.7rem; border-bottom: 1px solid var(--faint); text-align: right; }
th:first-child, table.plain td { text-align: left; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; }
figcaption { font-weight: 600; }
svg { width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.grid { stroke: var(--faint); }
.upright { stroke: var(--mark); stroke-width: 2; stroke-dasharray: 4 3; }
polyline { fill: none; stroke-width: 2; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1.2rem; margin: 0; padding: 0; }
.legend svg { width: 28px; height: 8px; }
.legend line { stroke-width: 2; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document of parts that are HTML already; the title is text."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """Parts that are HTML already, below a heading that is text."""
    return f"<section>\n<h2>{escape(heading)}</h2>\n" + "\n".join(parts) + "\n</section>"


def block(lines: Sequence[str]) -> str:
    """Lines as a terminal shows them."""
    return f'<pre tabindex="0">{escape(chr(10).join(lines))}</pre>'


def settings(values: Mapping[str, object]) -> str:
    """Names and values, one row each."""
    rows = (
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in values.items()
    )
    return f'<table class="plain">{"".join(rows)}</table>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns with heads."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{whole}</div>'


def paragraphs(lines: Iterable[str]) -> str:
    """Text, a paragraph a line."""
    return "\n".join(f"<p>{escape(line)}</p>" for line in lines)


def plots(name: str, shown: Iterable[Plot]) -> str:
    """Side by side where there is room. `name`: of letters, unlike that of other plots of the page."""
    figures = (plot.as_svg(f"{name}{number}") for number, plot in enumerate(shown))
    return '<div class="plots">\n' + "\n".join(figures) + "\n</div>"


def _style() -> str:
    names = [f"--line{number}" for number in range(len(_COLOURS))]
    light, dark = (
        " ".join(f"{name}: {colour};" for name, colour in zip(names, colours, strict=True))
        for colours in (_COLOURS, _COLOURS_ON_DARK)
    )
    lines = "\n".join(
        f".line{number} {{ stroke: var({name}); }}\ncircle.line{number} {{ fill: var({name}); }}"
        for number, name in enumerate(names)
    )
    return _STYLE.replace("LIGHT", light).replace("DARK", dark) + lines
