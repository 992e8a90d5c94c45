"""What a run makes: a whole model, or an adapter to one. They differ in where they begin and in what they leave."""

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import tokenizers
import torch

from weft.executor.loading import build_model
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.ops.torch_ops import TorchOps
from weft.training.adapter_base import Base
from weft.training.adapter_recipe import AdapterRecipe, AnyRecipe
from weft.training.adapter_weights import AdapterWeights
from weft.training.balance import BalancingOps
from weft.training.batches import recipe_tokenizer
from weft.training.initial_weights import InitialWeights
from weft.training.model_directory import model_config, write_model
from weft.training.recipe import Recipe
from weft.training.trainable_weights import TrainableWeights
from weft.weights.adapter_files import AdapterConfig, save_adapter
from weft.weights.random_weights import MetaWeights
from weft.weights.source import WeightSource


class Product(ABC):
    """Of one recipe."""

    @property
    @abstractmethod
    def spec(self) -> ModelSpec:
        """Of the model that is trained, or beside which an adapter is; its vocabulary is at its largest."""

    @property
    @abstractmethod
    def num_trained(self) -> int:
        """Numbers that gradients reach."""

    @property
    @abstractmethod
    def num_frozen(self) -> int:
        """Numbers of a base that stay as they are."""

    @abstractmethod
    def first_tokenizer(self) -> tokenizers.Tokenizer:
        """That a new run begins with."""

    def spec_with(self, tokenizer: tokenizers.Tokenizer) -> ModelSpec:
        """For that tokenizer."""
        return self.spec

    def ops(self, num_threads: int) -> TorchOps:
        """What it is trained with."""
        return TorchOps(num_threads)

    @abstractmethod
    def weights(self, dtype: torch.dtype) -> TrainableWeights:
        """Before the first step, for a model that computes in `dtype`."""

    @abstractmethod
    def write(self, directory: Path, tokenizer: tokenizers.Tokenizer, weights: TrainableWeights) -> None:
        """Put the result beside what else is in `directory`, whole or not at all."""


class WholeModel(Product):
    """Everything is learnt, from text alone."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    @cached_property
    def spec(self) -> ModelSpec:
        return spec_from_config(
            model_config(self._recipe, self._recipe.vocab_size), f"recipe {self._recipe.name!r}"
        )

    @property
    def num_trained(self) -> int:
        return self.spec.num_parameters

    @property
    def num_frozen(self) -> int:
        return 0

    def first_tokenizer(self) -> tokenizers.Tokenizer:
        return recipe_tokenizer(self._recipe)

    def spec_with(self, tokenizer: tokenizers.Tokenizer) -> ModelSpec:
        return replace(self.spec, vocab_size=tokenizer.get_vocab_size())

    def ops(self, num_threads: int) -> TorchOps:
        experts = self._recipe.shape.experts
        return TorchOps(num_threads) if experts is None else BalancingOps(num_threads, experts.balance_weight)

    def weights(self, dtype: torch.dtype) -> TrainableWeights:
        return TrainableWeights(InitialWeights(self._recipe.seed, self._recipe.shape), dtype)

    def write(self, directory: Path, tokenizer: tokenizers.Tokenizer, weights: TrainableWeights) -> None:
        write_model(directory, self._recipe, tokenizer, weights.parameters)


class Adapter(Product):
    """The base stays as it is; what is learnt lies beside it.

    Raises `ConfigurationError` for a base that does not fit.
    """

    def __init__(self, recipe: AdapterRecipe) -> None:
        self._recipe, self._base = recipe, Base.of(recipe)

    @property
    def spec(self) -> ModelSpec:
        return self._base.spec

    @cached_property
    def num_trained(self) -> int:
        weights = self._beside(MetaWeights(torch.float32), torch.float32)
        build_model(self.spec, weights, TorchOps(1), 1)
        return weights.num_parameters

    @property
    def num_frozen(self) -> int:
        return self.spec.num_parameters

    def first_tokenizer(self) -> tokenizers.Tokenizer:
        return self._base.tokenizer

    def weights(self, dtype: torch.dtype) -> TrainableWeights:
        return self._beside(self._base.weights(), dtype)

    def write(self, directory: Path, tokenizer: tokenizers.Tokenizer, weights: TrainableWeights) -> None:
        shape = self._recipe.adapter
        config = AdapterConfig(shape.rank, shape.alpha, shape.targets, str(self._base.directory))
        save_adapter(directory, config, weights.parameters)

    def _beside(self, base: WeightSource, dtype: torch.dtype) -> TrainableWeights:
        return AdapterWeights(base, self._recipe.adapter, self._recipe.seed, dtype)


def product_of(recipe: AnyRecipe) -> Product:
    """What a recipe makes. Raises `ConfigurationError` where an adapter has no base, or one that does not fit."""
    return WholeModel(recipe) if isinstance(recipe, Recipe) else Adapter(recipe)
