"""Settings behind a policy's name."""

import re

import pytest

from weft.contracts.errors import ConfigurationError
from weft.policies.knobs import knobs_of
from weft.policies.priority import Priority
from weft.policies.registry import POLICIES, load_policy, make_order_policy
from weft.policies.virtual_token_counter import VirtualTokenCounter


def test_a_setting_follows_the_name_or_the_place() -> None:
    for name in ("priority", "weft.policies.priority:Priority"):
        policy = make_order_policy(f"{name}:ageing_s=10")
        assert isinstance(policy, Priority)
        assert policy._ageing_s == 10.0


def test_weights_of_tenants_are_joined_by_a_plus() -> None:
    policy = make_order_policy("vtc:weights=alice=2+bob=0.5")
    assert isinstance(policy, VirtualTokenCounter)
    assert policy._weights == {"alice": 2.0, "bob": 0.5}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("priority:age_s=10", "policy 'priority' has no setting 'age_s'; its settings are ageing_s"),
        ("fcfs:x=1", "policy 'fcfs' has no setting 'x'; it has no settings"),
        ("priority:ageing_s=soon", "policy 'priority': ageing_s is 'soon'; it must be a number"),
        ("tiny_quanta:quantum_tokens=1.5", "quantum_tokens is '1.5'; it must be a whole number"),
        ("vtc:weights=alice", "weights is 'alice'; it must be name=number, more of them joined by +"),
        ("vtc:weights=alice=0", "the weight of tenant 'alice' is 0.0; it must be above 0 and finite"),
        ("priority:ageing_s=1:Priority", "names a setting before its end; write NAME:KNOB=VALUE"),
        ("priority:ageing_s=0", "ageing_s is 0.0; it must be above 0 seconds"),
        ("srpt:lengths=x", "policy 'srpt' has no setting 'lengths'; its settings are ageing_tokens_per_s"),
    ],
)
def test_a_wrong_setting_is_told(choice: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        make_order_policy(choice)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in POLICIES for name in POLICIES[kind]])
def test_every_knob_that_ships_has_a_default(kind: str, name: str) -> None:
    for knob in knobs_of(load_policy(kind, name)):
        assert knob.default is not None or knob.kind.endswith("None")
