"""The compiled kernels, where there are any, and the level of instructions that they are to use."""

import os
from types import ModuleType

from weft.contracts.errors import ConfigurationError

LEVEL_VARIABLE = "WEFT_CPU_LEVEL"
"""Environment variable: a level of instructions to use in place of the best, for tests."""
AMX = "amx"
"""The level that the system has to allow."""
PORTABLE = "portable"
"""The level of processors that have none of the instructions."""


def kernels() -> ModuleType:
    """The extension module. Raises `ConfigurationError` where Weft was installed without a compiler."""
    try:
        from weft.ops.cpu import _kernels
    except ImportError as error:
        raise ConfigurationError(
            f"the kernels of backend 'cpu' are not there ({error}); install g++ or clang and then Weft again "
            "(pip install -e .), or choose backend 'torch'"
        ) from error
    return _kernels


def has_kernels() -> bool:
    """Whether the extension module is there."""
    try:
        kernels()
    except ConfigurationError:
        return False
    return True


def levels() -> list[str]:
    """The levels of instructions that this processor has, from the fastest to the portable one."""
    found: list[str] = kernels().levels()
    return found


def choose_level(name: str | None = None) -> str:
    """The level of that name, of the environment's, or the fastest. Raises `ConfigurationError` where this processor
    does not have it."""
    known = levels()
    wanted = name or os.environ.get(LEVEL_VARIABLE) or known[0]
    if wanted not in known:
        reason = kernels().why_no_amx() if wanted == AMX else None
        raise ConfigurationError(
            f"level {wanted!r} is not one of this processor's; choose from {', '.join(known)} ({LEVEL_VARIABLE})"
            + (f": {reason}" if reason else "")
        )
    return wanted
