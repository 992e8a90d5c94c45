"""Stories of the kind that the built-in models were trained on, with names, words and sentences that they never saw.

    python tools/held_out_text.py [NUM_STORIES] > stories.txt

They follow from their number, so perplexities on them can be compared between formats of weights.
"""

import sys
from collections.abc import Sequence

from weft.training.text.stories import tell_story
from weft.training.text.streams import named_stream
from weft.training.text.teller import Teller

NUM_STORIES = 100
SEED = 0


def stories(count: int) -> str:
    """One after the other, an empty line between them."""
    teller = Teller(named_stream(SEED, "held-out text"), held_out=True)
    return "\n\n".join(tell_story(teller).text for _ in range(count)) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Write them to standard output."""
    sys.stdout.write(stories(int(arguments[0]) if arguments else NUM_STORIES))


if __name__ == "__main__":
    main(sys.argv[1:])
