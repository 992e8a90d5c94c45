"""The edge of the command line: verbs load lazily, mistakes get one line that says what to do."""

import click
import pytest
from click.testing import CliRunner

from weft.cli.main import LazyGroup, Verb, main, run
from weft.contracts.errors import WeftError

TABLE = {
    "absent": Verb("Never importable.", "weft.no_such_module:command"),
    "pour": Verb("A group."),
    "pour.tea": Verb("A verb in a group.", f"{__name__}:tea"),
    "pour.nothing": Verb("Not a command.", f"{__name__}:TABLE"),
}


@click.command()
@click.option("--sugar", type=int, default=0)
def tea(sugar: int) -> None:
    if sugar > 3:
        raise WeftError(f"sugar {sugar} is too much;\nuse at most 3")
    click.echo(f"tea with {sugar}")


@pytest.fixture
def group() -> LazyGroup:
    return LazyGroup(TABLE, name="weft")


def test_listing_needs_no_import(group: LazyGroup) -> None:
    outcome = CliRunner().invoke(group, ["--help"])
    assert outcome.exit_code == 0
    assert "absent  Never importable." in outcome.output
    assert "tea" not in outcome.output


def test_a_verb_in_a_group_runs(group: LazyGroup) -> None:
    outcome = CliRunner().invoke(group, ["pour", "tea", "--sugar", "2"])
    assert outcome.exit_code == 0
    assert outcome.output == "tea with 2\n"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["puor"], "did you mean 'pour'?"),
        (["pour", "tee"], "did you mean 'tea'?"),
        (["xyz"], "choose from: absent, pour"),
    ],
)
def test_a_mistyped_verb_gets_advice(group: LazyGroup, arguments: list[str], advice: str) -> None:
    outcome = CliRunner().invoke(group, arguments)
    assert outcome.exit_code == 2
    assert advice in outcome.output


def test_a_wrong_entry_in_the_table_is_named(group: LazyGroup) -> None:
    outcome = CliRunner().invoke(group, ["pour", "nothing"])
    assert isinstance(outcome.exception, TypeError)
    assert "TABLE is not a click command" in str(outcome.exception)


def test_a_users_error_is_one_line(group: LazyGroup, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        run(group, ["pour", "tea", "--sugar", "9"])
    assert ending.value.code == 2
    assert capsys.readouterr().err == "weft: error: sugar 9 is too much; use at most 3\n"


def test_a_defect_keeps_its_traceback(group: LazyGroup) -> None:
    with pytest.raises(ModuleNotFoundError):
        run(group, ["absent"])


def test_the_real_table_advises(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["bnech"])
    assert ending.value.code == 2
    assert "did you mean 'bench'?" in capsys.readouterr().err
