"""Stories and chats for tests: what the first built-in model was trained on, in the same proportions."""

from collections.abc import Iterator

from weft.training.batches import draw_documents
from weft.training.recipes.sources import chat, saga, story
from weft.training.text.documents import Document, TokenDocument

PROPORTIONS = ((0.57, chat), (0.35, story), (0.08, saga))


def documents(seed: int, name: str, *, held_out: bool) -> Iterator[Document]:
    """Without end, from the stream of that name."""
    for document in draw_documents(seed, name, PROPORTIONS, held_out=held_out):
        assert not isinstance(document, TokenDocument)
        yield document
