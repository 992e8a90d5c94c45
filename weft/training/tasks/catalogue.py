"""All tasks by name.

The chance of a task is that at its smallest size, where guessing is easiest; of `lookup` and `combine` at 60 words.
"""

from weft.training.tasks import (
    adding,
    combine,
    copying,
    counting,
    following_chats,
    json_filling,
    lookup,
    patterns,
    reversing,
    sorting,
    tool_calls,
)
from weft.training.tasks.exercise import Task

_MODULES = (
    lookup,
    combine,
    copying,
    reversing,
    sorting,
    counting,
    adding,
    patterns,
    json_filling,
    tool_calls,
    following_chats,
)
TASKS: dict[str, Task] = {module.TASK.name: module.TASK for module in _MODULES}
