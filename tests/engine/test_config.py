"""An engine that cannot work is refused before it exists, by the setting at fault."""

import re
from typing import Any

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.execution import ExecutorTraits
from weft.contracts.state import EncoderGroup, PagedGroup, StateLayout
from weft.engine.config import EngineConfig

LAYOUT = StateLayout((PagedGroup("kv", 8), EncoderGroup("pictures", 8)), block_tokens=4)
SIZES = {"kv": 10, "pictures": 3}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_step_tokens": 0}, "max_step_tokens is 0; it must be at least 1"),
        ({"max_running": 0}, "max_running is 0; it must be at least 1"),
        ({"max_queued_tokens": 0}, "max_queued_tokens is 0; it must be at least 1"),
        (
            {"num_blocks": {"kv": 10, "kw": 1}},
            "num_blocks misses ['pictures'] and has unknown ['kw']; state groups are ['kv', 'pictures']",
        ),
        ({"num_blocks": {"kv": 0, "pictures": 3}}, "num_blocks['kv'] is 0; it must be at least 1"),
        (
            {"num_host_blocks": {"pictures": 1}},
            "num_host_blocks misses ['kv'] and has unknown []; state groups are ['kv', 'pictures']",
        ),
        ({"num_host_blocks": {"kv": 0}}, "num_host_blocks['kv'] is 0; it must be at least 1"),
    ],
)
def test_a_refusal_names_the_setting_and_its_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        EngineConfig(LAYOUT, **{"num_blocks": SIZES, **settings})


def test_every_running_sequence_needs_a_token_of_each_step() -> None:
    EngineConfig(LAYOUT, SIZES, max_running=8, max_step_tokens=8)
    with pytest.raises(ConfigurationError, match=r"max_running is 9, above max_step_tokens \(8\)"):
        EngineConfig(LAYOUT, SIZES, max_running=9, max_step_tokens=8)


def test_an_executor_takes_one_step_at_least() -> None:
    with pytest.raises(ConfigurationError, match="the executor's depth is 0; it must be at least 1"):
        ExecutorTraits(0, "fake-1")


def test_encoder_outputs_need_no_room_in_host_memory() -> None:
    assert EngineConfig(LAYOUT, SIZES, {"kv": 5}).num_host_blocks == {"kv": 5}


def test_the_queue_is_bounded_by_four_times_what_the_device_holds() -> None:
    assert EngineConfig(LAYOUT, SIZES).queue_bound_tokens == 4 * 10 * 4
    assert EngineConfig(LAYOUT, SIZES, max_queued_tokens=7).queue_bound_tokens == 7
