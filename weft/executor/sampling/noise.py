"""Gumbel noise as a pure function of (seed, sample index, position, token id).

The token with the highest `logit / temperature + noise` is a draw from the softmax where each token's noise is
an independent standard Gumbel variable (Gumbel, 1954; "The Gumbel-Max trick": Maddison et al., "A* Sampling",
2014). Noise that nobody has to remember makes a choice repeatable: alone or batched, after a preemption, on
another replica. A draft that looks at the same noise chooses the same token.

With the finaliser `mix` of a 64-bit counter (all arithmetic modulo 2^64):

    stream(seed, sample)       = mix(mix(seed + GAMMA) + sample + GAMMA)
    key(stream, position)      = mix(stream + position + GAMMA)
    bits(key, token)           = mix(key + token * GAMMA)
    mix(z): z ^= z >> 30; z *= FIRST; z ^= z >> 27; z *= SECOND; z ^= z >> 31

`GAMMA` is the odd integer next to 2^64 / golden ratio, and one key's bits are the sequence of SplitMix64 started
there (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). `FIRST`, `SECOND`
and the shifts are variant 13 of Stafford, "Better bit mixing: improving on MurmurHash3's 64-bit finalizer", 2011.

The low 63 bits are a uniform u in (0, 1), rounded to float32; then E = -log1p(-u) is exponential and -log(E) is
Gumbel. A floating-point u is precise relative to its size, so the high end of the noise, which decides who
wins, is resolved down to u = 2^-63: the noise lies between -2.9 and 43.7. The integers are the same on every
device; the logarithms are those of the device.
"""

from hashlib import blake2b

import torch
from torch import Tensor

from weft.contracts.requests import Request

GAMMA = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_MOST_UNIFORM = 1.0 - 2.0**-24
"""The float32 before 1, to which a u that rounds to 1 is set: its noise would be minus infinity."""


def seed_of(request: Request) -> int:
    """The seed that names the request's noise: its own, or 64 bits that stand for its id in every process."""
    if request.sampling.seed is not None:
        return request.sampling.seed
    return int.from_bytes(blake2b(request.request_id.encode(), digest_size=8).digest(), "little")


def stream_of(seed: int, sample_index: int) -> int:
    """What the keys of all positions of one sequence derive from."""
    return _mix(_mix(seed + GAMMA) + sample_index + GAMMA)


def position_key(stream: int, position: int) -> int:
    """The key of the noise at one position of a sequence, as a signed 64-bit integer."""
    return _signed(_mix(stream + position + GAMMA))


def gumbel_noise(keys_R: Tensor, tokens: Tensor) -> Tensor:
    """Standard Gumbel noise in float32, [R, number of tokens].

    `keys_R`: int64, from `position_key`. `tokens`: int64 token ids, one list for all rows or one per row. The
    noise of a token does not depend on which others are asked for.
    """
    bits = keys_R[:, None] + tokens * _signed(GAMMA)
    _mix_in_place(bits)
    bits.bitwise_and_((1 << 63) - 1).bitwise_or_(1)
    uniform = bits.float().mul_(2.0**-63).clamp_(max=_MOST_UNIFORM)
    return uniform.neg_().log1p_().neg_().log_().neg_()


def _mix(value: int) -> int:
    value &= _MASK
    value = ((value ^ (value >> 30)) * FIRST) & _MASK
    value = ((value ^ (value >> 27)) * SECOND) & _MASK
    return value ^ (value >> 31)


def _mix_in_place(bits: Tensor) -> None:
    """`_mix` of every element; int64 products wrap around."""
    bits.bitwise_xor_(_shifted(bits, 30)).mul_(_signed(FIRST))
    bits.bitwise_xor_(_shifted(bits, 27)).mul_(_signed(SECOND))
    bits.bitwise_xor_(_shifted(bits, 31))


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shifted right with zeros coming in; torch's own shift copies the sign."""
    return torch.bitwise_right_shift(bits, by).bitwise_and_((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    """The int64 with these 64 bits."""
    return value - (1 << 64) if value >> 63 else value
