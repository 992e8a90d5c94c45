"""`--config` of `weft serve` and `weft simulate`, and `weft config`."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from weft.cli.config_keys import Configuration, configured_commands, keys_of
from weft.cli.main import command_line, main
from weft.cli.serve import command as serve_command

SERVICE = """\
model: weft-tiny
replicas: 2
max_num_seqs: 8
kv_cache_memory: 16MiB
serve:
  backend: reference
  threads: 1
simulate:
  max_num_seqs: 16
  workload: sharegpt
  requests: 12
  rate: 5
"""


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WEFT_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def written(text: str) -> str:
    Path("s.yaml").write_text(text)
    return "s.yaml"


def weft(*arguments: str) -> Result:
    return CliRunner().invoke(command_line, arguments, standalone_mode=False, catch_exceptions=False)


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `weft` says on its one line."""
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("weft: error: ").rstrip()


def findings(text: str) -> list[str]:
    """The lines of `weft config check`, without the file's name."""
    outcome = weft("config", "check", written(text))
    lines = outcome.output.splitlines()
    assert outcome.return_value == (0 if lines == ["s.yaml: fine"] else 2)
    return [line.removeprefix("s.yaml:") for line in lines if line != "s.yaml: fine"]


def params(text: str, name: str, *arguments: str) -> dict[str, Any]:
    """What a command gets."""
    command = configured_commands()[name]
    return command.make_context(name, ["--config", written(text), *arguments]).params


def test_one_file_is_served_and_simulated() -> None:
    served = weft("serve", "--config", written(SERVICE), "--dry-run")
    assert "compute    reference on cpu" in served.output
    assert "8 sequences at once" in served.output
    simulated = weft("simulate", "--config", "s.yaml")
    assert "2 x 1 H100 SXM" in simulated.output
    assert findings(SERVICE) == []


def test_a_section_goes_before_the_top_and_a_flag_before_both() -> None:
    assert params(SERVICE, "serve")["max_num_seqs"] == 8
    assert params(SERVICE, "simulate")["max_num_seqs"] == 16
    given = params(SERVICE, "simulate", "--max-num-seqs", "4", "--model", "weft-nano")
    assert (given["max_num_seqs"], given["model"], given["rate"]) == (4, "weft-nano", 5.0)
    assert params(SERVICE, "serve", "weft-nano")["model"] == "weft-nano"
    assert params("serve:\n", "serve")["model"] is None


def test_values_are_read_as_flags_are() -> None:
    text = "serve:\n  api_key: k\n  served_model_name: [no, 'a b']\n  no_prefix_caching: true\n  swap_memory: 1MiB\n"
    given = params(text, "serve")
    assert given["api_keys"] == ("k",)
    assert given["names"] == ("no", "a b")
    assert given["no_prefix_caching"] is True
    assert given["swap_memory_bytes"] == 1 << 20
    assert params("no_prefix_caching: False\n", "serve")["no_prefix_caching"] is False


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_API_KEY", "one two")
    assert params("serve:\n  api_key: k\n", "serve")["api_keys"] == ("one", "two")


def test_what_another_command_takes_is_told_where_it_stands_at_the_top() -> None:
    outcome = weft("simulate", "--config", written(SERVICE + "\nhost: localhost\n"))
    assert "weft: note: s.yaml: for weft serve alone: host" in outcome.stderr
    assert weft("simulate", "--config", written(SERVICE)).stderr == ""


def test_a_sweep_of_the_command_line_goes_before_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    swept = weft("simulate", "--config", written(SERVICE), "--sweep", "rate=2,4")
    assert len(swept.output.splitlines()) == 2 + 3
    both = SERVICE + "  sweep: rate=2,4\n"
    wrong = (
        "--rate is given and swept over; leave one of the two out; `weft simulate --help` tells what there is"
    )
    assert mistake(capsys, "simulate", "--config", written(both)) in (wrong, wrong.rpartition("; ")[0])
    swept = weft("simulate", "--config", written(SERVICE.replace("rate: 5", "sweep:\n    - rate=2,4")))
    assert len(swept.output.splitlines()) == 2 + 3


def test_a_new_flag_is_a_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "model: weft-tiny\ntp: 2\nserve:\n"
    new = [click.Option(["--tp"], type=click.IntRange(1, 4)), click.Option(["--new-flag"])]
    monkeypatch.setattr(serve_command, "params", [*serve_command.params, *new])
    assert params(text + "  new_flag: auto\n", "serve")["tp"] == 2
    configuration = Configuration.read(Path("s.yaml"))
    assert configuration.only_for_others("serve") == {}
    assert configuration.meant() == ["serve"]
    (told,) = findings(text.replace("2", "9") + "simulate:\n")
    assert "(so weft serve; weft simulate takes it: move it to section simulate)" in told


def test_no_flag_is_left_out() -> None:
    for command in configured_commands().values():
        names = {parameter.name for parameter in command.params}
        assert {parameter.name for parameter in keys_of(command).values()} == names - {"config"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_num_seq: 3", "1: there is no key 'max_num_seq'; did you mean max_num_seqs?"),
        ("max-num-seqs: 3", "1: there is no key 'max-num-seqs'; did you mean max_num_seqs?"),
        ("--host: 3", "1: there is no key '--host'; did you mean host?"),
        ("kv_cache_memory_bytes: 3", "did you mean kv_cache_memory?"),
        ("xyzzy: 3", "1: there is no key 'xyzzy'; `weft serve --help` tells what there is"),
        ("<<: {port: 8}", "1: there is no section '<<', only serve and simulate"),
        ("servr: {port: 8}", "did you mean serve?"),
        ("engine: {depth: 2}", "its keys may stand at the top"),
        ("order: {name: vtc}", "1: order has no keys of its own; write order: VALUE"),
        ("serve: 8000", "1: serve is a section; write its keys below it, indented"),
        (
            "serve:\n  hardware: h100",
            "2: hardware is for weft simulate; move it to section simulate, or to the top",
        ),
        ("simulate: {port: 8}", "1: port is for weft serve; move it to section serve, or to the top"),
        ("config: x.yaml", "1: there is no key 'config'"),
        ("depth: 2\n\ndepth: 3", "3: 'depth' stands in line 1 already; leave one of the two out"),
        ("serve: {depth: 2, depth: 2}", "1: 'depth' stands in line 1 already"),
        ("serve:\nserve:", "2: 'serve' stands in line 1 already"),
        ("depth:", "1: depth has no value; give one, or leave the key out"),
        ("port: eighty", "1: port: 'eighty' is not a valid integer"),
        ("port: 70000", "1: port: 70000 is not in the range 0<=x<=65535"),
        ("port: [80, 81]", "1: port: it takes one value, and this is a list; give one"),
        ("no_prefix_caching: no", "1: no_prefix_caching: 'no' is neither true nor false; write one of these"),
        ("swap_memory: 4GB", "1: swap_memory: '4GB' is not a size; give whole bytes"),
        (f"swap_memory: {'9' * 5000}", "is too large a size; give one that this machine could have"),
        (f"swap_memory: {'9' * 400}.5GiB", "is too large a size; give one that this machine could have"),
        ("dtype: float8", "1: dtype is 'float8'; did you mean 'float32'?"),
        ("order: vtcc", "1: order: no order policy is named 'vtcc'; did you mean 'vtc'?"),
        ("retain: lru:size=3", "1: retain: policy 'lru' has no setting 'size'; it has no settings"),
        ("order: fcfs_oracle", "1: order 'fcfs' expects no lengths"),
        ("order: srpt_oracle", "(so weft serve; weft simulate takes it: move it to section simulate)"),
        ("quantization: int4", "(so weft simulate; weft serve takes it: move it to section serve)"),
        ("hardware: h1000", "1: hardware 'h1000' is unknown; did you mean h100?"),
        (
            "router: round-robin",
            "1: router: no route policy is named 'round-robin'; did you mean 'round_robin'?",
        ),
    ],
)
def test_mistakes_in_a_key_or_a_value(capsys: pytest.CaptureFixture[str], text: str, told: str) -> None:
    assert any(told in line for line in findings(text))
    if "weft simulate takes it" in told:
        return
    verb = "serve" if told.startswith("1: port:") else "simulate"
    assert told in mistake(capsys, verb, "--config", "s.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: weft-tinny\nserve:", "1: weft serve: there is no model 'weft-tinny'"),
        ("model: weft-tinny\nsimulate:", "1: weft simulate: model 'weft-tinny' is neither a path nor"),
        ("simulate:", " weft simulate: model is missing; add it"),
        (
            "max_model_len: 4096\nserve:",
            "1: weft serve: max_model_len is 4096; the model was made for at most 2048",
        ),
        ("serve:\n  host: 0.0.0.0", "2: weft serve: host 0.0.0.0 can be reached from other machines"),
        ("serve:\n  api_key_file: no/keys", "2: weft serve: the key file 'no/keys' cannot be read"),
        (
            "max_num_seqs: 4096\nserve:",
            "1: weft serve: max_num_seqs is 4096, above max_num_batched_tokens (2048)",
        ),
        ("model: weft-tiny\ntp: 3\nsimulate:", "2: weft simulate: tp is 3; it must divide the 8"),
        (
            "model: weft-tiny\nreplicas: 3\ndp: 2",
            "3: weft simulate: dp is 2; it must divide the number of replicas",
        ),
        ("model: weft-tiny\nreplicas: 3\nhardware: 2xh100", "2: weft simulate: 3 replicas of 1 devices"),
        ("model: weft-tiny\nworkload: sharegptt", "2: weft simulate: "),
        (
            "model: weft-tiny\nkv_cache_memory: 1KiB\nsimulate:",
            " weft simulate: a sequence of 2048 tokens needs 129",
        ),
        ("model: weft-tiny\njobs: 2", "2: weft simulate: -j is for the runs of a sweep"),
        ("model: weft-tiny\nsweep: rate=4:1", "2: weft simulate: --sweep rate=4:1: the range is 4:1"),
        (
            "model: weft-tiny\ndp: 2\nsweep: replicas=2,3",
            "2: weft simulate: replicas=3: dp is 2; it must divide",
        ),
        (
            "model: weft-tiny\njson: no/such/place.json",
            "2: weft simulate: --json: there is no directory no/such",
        ),
    ],
)
def test_mistakes_in_the_whole(text: str, told: str) -> None:
    (line,) = findings(text)
    assert line.startswith(told)


def test_all_mistakes_are_told_in_their_order_and_a_run_tells_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "model: tinny\norder: vtcc\ndept: 2\nserve:\n  port: -1\nsimulate:\n  hardware: h1\n  workload: nothing\n"
    lines = findings(text)
    assert [line.partition(":")[0] for line in lines] == ["1", "1", "2", "3", "5", "7", "8"]
    told = mistake(capsys, "simulate", "--config", "s.yaml")
    assert told.startswith("s.yaml:2: order: no order policy is named 'vtcc'")
    assert told.endswith("; 2 more: weft config check lists them")


def test_a_sweep_is_planned_at_every_point() -> None:
    assert (
        findings("model: weft-tiny\ndp: 2\nsweep:\n- replicas=2,4\n- 'n=1,2'\n- seed=1,2\nrequests: 5\n")
        == []
    )


def test_a_model_of_the_hub_that_is_not_here_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert findings("model: some-org/some-model\nserve:\n") == []


def test_a_wrong_value_for_another_command_keeps_none_from_running() -> None:
    assert weft("simulate", "--config", written(SERVICE + "port: 99999999\n")).exit_code == 0
    assert len(findings(SERVICE + "port: 99999999\n")) == 1


@pytest.mark.parametrize("name", ["tiny", "[a, 'no', '010', \"two\\nlines\"]"])
def test_what_is_shown_means_the_same(name: str) -> None:
    text = "order: vtc:weights=a=2\n" + SERVICE.replace("threads: 1", f"served_model_name: {name}")
    shown = weft("config", "show", written(text)).output
    for name in ("serve", "simulate"):
        before, after = (params(each, name) for each in (text, shown))
        changed = {key: after[key] for key in before if before[key] != after[key] and before[key] is not None}
        assert changed == {}
    assert weft("config", "show", written(shown)).output == shown
    assert findings(shown) == []


def test_what_is_shown_has_defaults_and_no_secrets() -> None:
    shown = weft("config", "show", written("serve:\n  api_key: [sesame]\n")).output
    assert "  max_num_seqs: 256\n" in shown
    assert "  order: fcfs\n" in shown
    assert "  # not shown: api_key\n" in shown
    assert "left open: model, actors, ray_address, api_key_file, preempt, " in shown
    assert "sesame" not in shown
    assert "simulate" not in shown
