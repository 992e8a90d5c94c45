"""The directory of a run: what it needs to go on lies under `training/`, the model beside that at the end."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers

from weft.contracts.errors import ConfigurationError
from weft.training.adapter_recipe import AnyRecipe
from weft.training.fingerprint import describe_recipe, differences
from weft.weights.adapter_files import ADAPTER_CONFIG_FILE
from weft.weights.save import CONFIG_FILE

SHOWN_DIFFERENCES = 3


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where the files of a run are. `root` becomes the model's directory."""

    root: Path

    @property
    def own(self) -> Path:
        """What is the run's, not the model's."""
        return self.root / "training"

    @property
    def checkpoints(self) -> Path:
        """See `run_checkpoints`."""
        return self.own / "checkpoints"

    @property
    def curve(self) -> Path:
        """See `Curve`."""
        return self.own / "curve.csv"

    @property
    def _recipe(self) -> Path:
        return self.own / "recipe.json"

    @property
    def _tokenizer(self) -> Path:
        return self.own / "tokenizer.json"

    @property
    def _is_over(self) -> bool:
        return any((self.root / name).exists() for name in (CONFIG_FILE, ADAPTER_CONFIG_FILE))

    def check_is_new(self) -> None:
        """Raises `ConfigurationError` where something lies there already."""
        if self._recipe.exists() and not self._is_over:
            raise ConfigurationError(f"{self.root} has a run that is not over; add --resume to go on with it")
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise ConfigurationError(
                f"{self.root} exists and is not an empty directory; name a new one, or empty it"
            )

    def begin(self, recipe: AnyRecipe, dtype: str, tokenizer: tokenizers.Tokenizer) -> None:
        """Keep what the run goes on from; the recipe comes last."""
        self.own.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(self._tokenizer))
        described = {"dtype": dtype, "recipe": describe_recipe(recipe)}
        partial = self._recipe.with_suffix(".partial")
        partial.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(self._recipe)

    def recorded(self) -> dict[str, Any]:
        """What `begin` kept: "dtype" and "recipe". Raises `ConfigurationError` where there is no run to go on with."""
        if self._is_over:
            raise ConfigurationError(f"the run in {self.root} is over; there is nothing to resume")
        try:
            found: dict[str, Any] = json.loads(self._recipe.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{self._recipe} cannot be read ({error}); there is no run to go on with, so leave --resume out"
            ) from error
        return found

    def check_is_the_same(self, recipe: AnyRecipe, dtype: str) -> None:
        """Raises `ConfigurationError` that names what differs from the run's beginning."""
        described = {"dtype": dtype, "recipe": describe_recipe(recipe)}
        found = list(differences(described, self.recorded()))
        if found:
            more = f" and {len(found) - SHOWN_DIFFERENCES} more" if len(found) > SHOWN_DIFFERENCES else ""
            raise ConfigurationError(
                f"the run in {self.root} was begun with another recipe: {', '.join(found[:SHOWN_DIFFERENCES])}{more}; "
                "undo that, or begin a run elsewhere"
            )

    def tokenizer(self) -> tokenizers.Tokenizer:
        """The one that the run began with."""
        return tokenizers.Tokenizer.from_file(str(self._tokenizer))

    def finish(self, *, keep_checkpoints: bool) -> None:
        """The result is there: what was needed to go on goes."""
        self._tokenizer.unlink(missing_ok=True)
        if not keep_checkpoints:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
