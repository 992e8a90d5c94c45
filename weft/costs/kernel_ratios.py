"""How far kernels of a device are from its roofline, as whoever measured them tells.

A kernel with a profile takes `(roofline_s + start_s) * ratio`: the roofline scaled to what was measured, with a
constant per kind of kernel so that small ones have a floor.
"""

from typing import NamedTuple, Protocol

from weft.model_specs.operations import Operation


class Correction(NamedTuple):
    """`start_s`: added to what the roofline says of a kernel; `ratio`: what the sum is multiplied by."""

    start_s: float
    ratio: float

    def seconds(self, roofline_s: float) -> float:
        """Of a kernel that takes `roofline_s` on the roofline."""
        return (roofline_s + self.start_s) * self.ratio


class AttentionCorrections(Protocol):
    """Of the attention kernels of one layer on one rank.

    What is asked of either stands for all sequences of its kind in a step together, as one kernel computes them.
    """

    def single(self, num_sequences: int, visible_tokens: float) -> Correction:
        """Of sequences with one new token each; `visible_tokens`: keys that each sees, summed over them."""

    def single_beside_chunks(self, num_sequences: int, visible_tokens: float) -> Correction:
        """As `single`, in a step that has longer chunks too: of what single tokens add to its time."""

    def waits_for_longest(self, num_sequences: int, beside_chunks: bool) -> bool:
        """Whether a kernel over so many sequences with one new token each ends no sooner than the unit of the device
        that has the longest of them; False where units share every sequence, or nobody knows."""

    def chunks(self, num_chunks: int, num_tokens: int, visible_tokens: float, pairs: float) -> Correction:
        """Of longer chunks: sums of their new tokens, of the keys that each reads, of their pairs of query and key."""


class KernelRatios(Protocol):
    """How far kernels of a device are from its roofline, as measured."""

    @property
    def profile(self) -> str:
        """What was measured, where, by whom and in which form, as predictions name it."""

    @property
    def relative_error(self) -> float | None:
        """Half the width of the interval in which four fifths of measurements lie, as a share of what is predicted;
        None where nobody knows."""

    def of_operation(self, operation: Operation) -> Correction:
        """Of products, norms, element-wise work, embeddings and communication: of all but attention."""

    def of_attention(self, example: Operation) -> AttentionCorrections:
        """For attention like `example`, whose shape has the heads, key-value heads and head size of the rank, and
        whose formats have that of the state."""


WAITED_FOR = 0.5
"""Of what the longest sequence takes beyond the mean. None of it is waited for where its unit begins with it, and all
where it comes last (Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969); sequences come
in the order in which they happen to stand in the batch."""

ALONE_KEYS = 16_384
"""The longest sequence that was measured beside chunks. In what a shorter one adds there, some is hidden by them."""


def alone_key_s(corrections: AttentionCorrections, roofline_key_s: float) -> float:
    """What a key takes a unit of the device that computes a sequence by itself: `roofline_key_s` on the roofline."""
    alone_s = corrections.single_beside_chunks(1, alike(ALONE_KEYS)[0]).seconds(roofline_key_s * ALONE_KEYS)
    return alone_s / ALONE_KEYS


def overhang_s(key_s: float, num_sequences: int, visible_tokens: int, longest_tokens: int) -> float:
    """What sequences with one new token each add to the time of an attention kernel by not being equally long; `key_s`:
    see `alone_key_s`.

    FlashAttention 2 (Dao, arXiv 2307.08691, section 3.2) gives each sequence and key-value head to one unit of the
    device, and the kernel ends with the last of them.
    """
    return WAITED_FOR * key_s * max(0.0, longest_tokens - visible_tokens / num_sequences)


LEADING_BITS = 8
"""Of the keys that single tokens see, what attention's ratio is looked up by: steps of decodes differ little from each
other, so that one look-up does for several of them. What is rounded off is at most a 256th of the keys, and of that
only the change of the ratio counts, not that of the time."""


def alike(visible_tokens: int) -> tuple[float, int]:
    """In place of a number of visible tokens: the middle of those with the same leading bits, and their end."""
    rest_bits = max(0, visible_tokens.bit_length() - LEADING_BITS)
    begin, width = visible_tokens >> rest_bits << rest_bits, 1 << rest_bits
    return begin + (width - 1) / 2, begin + width
