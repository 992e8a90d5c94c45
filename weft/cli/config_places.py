"""Keys of a configuration that cannot stand where they stand, and what was probably meant."""

from collections.abc import Iterator

from weft.cli.config_keys import Configuration, Finding, by_line
from weft.cli.config_reading import Entry
from weft.cli.mistakes import nearest
from weft.contracts.errors import ConfigurationError


def require(configuration: Configuration, name: str) -> None:
    """Raises `ConfigurationError` where a file as a whole, or a value in it for this command, is wrong."""
    found = by_line([*misplaced(configuration), *configuration.refused(name)])
    if found:
        more = f"; {len(found) - 1} more: weft config check lists them" if len(found) > 1 else ""
        raise ConfigurationError(found[0].told(configuration.path) + more)


def misplaced(configuration: Configuration) -> list[Finding]:
    """Keys that are not there, come twice, stand in a wrong place, or have no value."""
    return [*_twice(configuration.entries), *_unfit(configuration)]


def _twice(entries: tuple[Entry, ...]) -> Iterator[Finding]:
    first: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        before = first.setdefault((entry.section, entry.key), entry)
        if before is not entry:
            told = f"{entry.key!r} stands in line {before.line} already; leave one of the two out"
            yield Finding(entry.line, told)


def _unfit(configuration: Configuration) -> Iterator[Finding]:
    keys = configuration.keys
    everything = {key for each in keys.values() for key in each}
    for entry in configuration.entries:
        if entry.section and entry.section not in keys:
            continue  # its head was found already
        known = set(keys[entry.section]) if entry.section else everything
        if entry.key in keys and not entry.section:
            if entry.value is not None:
                yield Finding(entry.line, f"{entry.key} is a section; write its keys below it, indented")
        elif entry.is_section:
            yield Finding(entry.line, _no_section(entry.key, everything, list(keys)))
        elif entry.key not in known:
            yield Finding(entry.line, _unknown(entry, configuration))
        elif entry.value is None:
            yield Finding(entry.line, f"{entry.key} has no value; give one, or leave the key out")


def _no_section(name: str, everything: set[str], sections: list[str]) -> str:
    if name in everything:
        return f"{name} has no keys of its own; write {name}: VALUE"
    near = nearest(name, sections)
    advice = f"did you mean {near}?" if near else "its keys may stand at the top"
    return f"there is no section {name!r}, only {' and '.join(sections)}; {advice}"


def _unknown(entry: Entry, configuration: Configuration) -> str:
    """Of a key that cannot stand where it stands: where it can, or what it may have been meant for."""
    sections = [entry.section] if entry.section else list(configuration.keys)
    here = {key: each for name in sections for key, each in configuration.keys[name].items()}
    for name, keys in configuration.keys.items():
        if entry.key in keys:
            return f"{entry.key} is for weft {name}; move it to section {name}, or to the top"
    written = entry.key.strip("-").replace("-", "_")
    by_parameter = {str(parameter.name): key for key, parameter in here.items()}
    meant = written if written in here else by_parameter.get(written) or nearest(written, list(here))
    advice = f"did you mean {meant}?" if meant else f"`weft {sections[0]} --help` tells what there is"
    return f"there is no key {entry.key!r}; {advice}"
