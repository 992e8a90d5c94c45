"""The rooms of `weft/` and which of them may import which.

A room is a folder or a single file directly below `weft/`; the package's own `__init__.py` is the room
`weft`. Dependencies point downwards only, and within a row from left to right.
"""

ROWS: tuple[tuple[str, ...], ...] = (
    ("cli", "server", "weft", "llm"),
    ("papers", "measurement"),
    ("simulator",),
    ("cluster", "training"),
    ("executor", "models", "ops", "weights"),
    ("engine",),
    ("policies", "text"),
    ("observation",),
    ("costs", "hardware"),
    ("model_specs", "workloads"),
    ("contracts",),
)

ROOMS: tuple[str, ...] = tuple(room for row in ROWS for room in row)

TORCH_ROOMS = ("executor", "models", "ops", "weights", "training")

# Where real time and chance come in: all below must be replayable from a seed under a virtual clock.
REAL_WORLD_ROOMS = ("cli", "server", "llm", "measurement", "training")

# Rooms whose decisions and logs must not depend on the hash seed of the process.
HASH_FREE_ROOMS = ("engine", "policies", "cluster", "simulator", "observation", "workloads")
SET_FREE_ROOMS = ("engine", "policies", "cluster", "simulator", "workloads")


def room_of(module: str) -> str:
    """The room of a dotted module name: "weft.engine.pool" is in "engine", "weft" itself in "weft"."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "weft"


def may_import(importer: str, imported: str) -> bool:
    """Whether a file of one room may import from another (or the same) room."""
    return ROOMS.index(importer) <= ROOMS.index(imported)
