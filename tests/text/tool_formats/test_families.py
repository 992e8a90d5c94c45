"""The form of a model's calls is what its chat template writes."""

import pytest

from tests.text.chat_families import FAMILIES, HERMES
from weft.model_specs.builtin import builtin_model
from weft.text.template_loading import load_chat_template
from weft.text.tool_formats.families import TOOL_FORMATS, tool_format


@pytest.mark.parametrize("family", FAMILIES)
def test_templates_are_recognised(family: str) -> None:
    form = tool_format("auto", FAMILIES[family])
    assert form is not None
    assert form.name == family.split()[0]


def test_the_builtin_models_are_recognised() -> None:
    template = load_chat_template(builtin_model("weft-tiny"))
    assert tool_format("auto", template.source).name == "weft"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages }}<tool_call>",  # cut out of old messages, perhaps
        "{{ tools }}<tool_call><function={{ name }}>",  # Qwen 3 Coder's form
        "{{ tools }}",
        "",
    ],
)
def test_others_are_not(template: str) -> None:
    assert tool_format("auto", template) is None


@pytest.mark.parametrize("name", TOOL_FORMATS)
def test_a_form_can_be_named(name: str) -> None:
    form = tool_format(name, HERMES)
    assert getattr(form, "name", "none") == {"auto": "hermes"}.get(name, name)
