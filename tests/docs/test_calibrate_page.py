"""docs/calibrate.md says what `weft calibrate` and `weft validate` do."""

from pathlib import Path

from weft.cli.calibrate import command
from weft.measurement.calibration.bandwidth import COPIED_BYTES, FLIPPED_SHARE
from weft.measurement.calibration.calibrating import PADS_DECODES, TILE_ROWS
from weft.measurement.calibration.serving_fit import SETTLING_STEPS, STRAY_SHARE
from weft.measurement.calibration.serving_load import CLIENTS, FEWEST_TOKENS, MOST_OUTPUT_TOKENS, MOST_TOKENS
from weft.measurement.calibration.swaps import NUM_BLOCKS
from weft.measurement.calibration.wakings import PAUSES_S
from weft.measurement.calibration.wakings import PROMPT_TOKENS as WAKING_TOKENS
from weft.measurement.local_validation import LocalSettings
from weft.measurement.local_validation.results import CHANGED_SHARE
from weft.measurement.local_validation.validating import NEAR_PROBES, PROBE_SHARE

PAGE = (Path(__file__).parents[2] / "docs" / "calibrate.md").read_text(encoding="utf-8")


def test_figures_are_those_of_the_code() -> None:
    assert f"copy of {COPIED_BYTES >> 20} MiB" in PAGE
    assert f"more than {100 * FLIPPED_SHARE:.0f} %" in PAGE
    assert f"{CLIENTS[0]} to {CLIENTS[-1]} clients" in PAGE
    assert (
        f"prompts of {FEWEST_TOKENS} to {MOST_TOKENS} tokens and outputs of up to {MOST_OUTPUT_TOKENS}"
        in PAGE
    )
    assert f"each token of it (up to {MOST_TOKENS})" in PAGE
    assert (SETTLING_STEPS, STRAY_SHARE) == (2, 0.01)
    assert "prompts of {}, {} and {} tokens".format(*WAKING_TOKENS) in PAGE
    assert f"after {1e3 * PAUSES_S[0]:.0f} to {1e3 * PAUSES_S[-1]:.0f} ms" in PAGE
    assert f"{NUM_BLOCKS[0]} to {NUM_BLOCKS[-1]} blocks" in PAGE
    assert f"in tiles of {TILE_ROWS['reference']}" in PAGE
    assert PADS_DECODES == {"torch": True, "reference": False, "cpu": False}
    assert (PROBE_SHARE, NEAR_PROBES) == (1 / 10, 2)
    assert "for a 10th of the time" in PAGE
    assert "the four probes nearest" in PAGE
    assert f"more than {100 * CHANGED_SHARE:.0f} % more or less" in PAGE
    settings = LocalSettings(Path("a model"))
    assert f"divided by {settings.divisor}" in PAGE
    assert f"{settings.duration_s:.0f} s of arrivals" in PAGE
    assert "40, 70 and 90 %" in PAGE
    assert settings.loads == (0.4, 0.7, 0.9)


def test_own_options_are_on_the_page() -> None:
    own = ("--out", "--seconds")
    assert set(own) <= {name for parameter in command.params for name in parameter.opts}
    assert [name for name in own if f"{name}" not in PAGE] == []
