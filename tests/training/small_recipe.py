"""A recipe so small that its run takes seconds."""

from functools import cache
from itertools import islice

import tokenizers
import torch

from weft.training.first_model import FirstModel
from weft.training.text.documents import documents
from weft.training.tokenizer import train_tokenizer
from weft.training.trainable_weights import TrainableWeights
from weft.weights.random_weights import RandomWeights

SMALL = FirstModel(
    hidden_size=32,
    intermediate_size=48,
    num_layers=2,
    batch_tokens=512,
    evaluated_documents=4,
    num_threads=1,
)


@cache
def tokenizer() -> tokenizers.Tokenizer:
    """Of 400 entries, from a few documents."""
    return train_tokenizer(islice(documents(1, "tokenizer", held_out=False), 200), 400)


def random_weights(seed: int = 0) -> TrainableWeights:
    return TrainableWeights(RandomWeights(seed, torch.float32, torch.device("cpu"), std=0.1))
