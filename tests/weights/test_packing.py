"""Weights packed as a model asks for them."""

from hashlib import blake2b

import pytest
import torch

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import PACKED_QUANTIZATIONS, QUANTIZATIONS
from weft.weights.packed import LAYOUT_VERSION, PackedFormat, PackedLinear
from weft.weights.packing import PackedWeights, canonical, pack
from weft.weights.random_weights import RandomWeights

NAMES = ("gate", "gate_proj", "experts.3.down_proj")
CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", QUANTIZATIONS)
def test_numbers_of_tied_embeddings_are_kept_once(kind: str) -> None:
    """The layer is the table where it has the numbers themselves; else they are beside it."""
    table, head = PackedWeights(RandomWeights(0, torch.float32, CPU), kind).tied("embed", (40, 128))
    plain = RandomWeights(0, torch.float32, CPU).read("embed", (40, 128))
    assert torch.equal(head.blocks, pack(plain, None, kind).blocks)
    if kind == "none":
        assert table is head
    else:
        assert isinstance(table, torch.Tensor)
        assert torch.equal(table, plain)


@pytest.mark.parametrize(
    ("kind", "format", "group"),
    [
        ("none", PackedFormat.FLOAT32, 128),
        ("int8", PackedFormat.INT8, 128),
        ("int4", PackedFormat.INT4_WHOLE, 32),
        ("int4-64", PackedFormat.INT4_WHOLE, 64),
        ("int8-a16", PackedFormat.INT8_A16, 128),
        ("int4-64-a16", PackedFormat.INT4_A16, 64),
    ],
)
def test_a_kind_names_a_format(kind: str, format: PackedFormat, group: int) -> None:
    weights = PackedWeights(RandomWeights(0, torch.float32, CPU), kind)
    layer = weights.linear(["a", "b"], [3, 5], 128, bias=True)
    assert isinstance(layer, PackedLinear)
    assert (layer.format, layer.group_inputs) == (format, group)
    assert layer.weight_OI.shape == (8, 128)
    plain = RandomWeights(0, torch.float32, CPU).linear(["a", "b"], [3, 5], 128, bias=True)
    assert layer.bias_O is not None
    assert plain.bias_O is not None
    assert torch.equal(layer.bias_O, plain.bias_O)


def test_routers_keep_their_numbers_and_plain_tensors_stay_as_they_are() -> None:
    source = RandomWeights(0, torch.float32, CPU)
    weights = PackedWeights(source, "int8")
    formats = {name: weights.linear([f"model.layers.0.mlp.{name}"], [4], 8).format for name in NAMES}
    assert formats == dict(
        zip(NAMES, (PackedFormat.FLOAT32, PackedFormat.INT8, PackedFormat.INT8), strict=True)
    )
    assert torch.equal(
        weights.read("model.embed_tokens.weight", (4, 8)), source.read("model.embed_tokens.weight", (4, 8))
    )


def test_layers_are_read_into_the_same_room_and_packed_from_there() -> None:
    places = []

    class Noted(RandomWeights):
        def read_into(self, name: str, out: torch.Tensor) -> None:
            places.append((name, out.data_ptr()))
            super().read_into(name, out)

    weights = PackedWeights(Noted(0, torch.float32, CPU), "none")
    large, small = weights.linear(["a", "b"], [40, 24], 10), weights.linear(["c"], [16], 10)
    first = places[0][1]
    assert places == [("a.weight", first), ("b.weight", first + 40 * 10 * 4), ("c.weight", first)]
    for packed, names, sizes in ((large, ["a", "b"], [40, 24]), (small, ["c"], [16])):
        plain_OI = RandomWeights(0, torch.float32, CPU).linear(names, sizes, 10).weight_OI
        assert torch.equal(packed.blocks, pack(plain_OI, None, "none").blocks)


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="float16"):
        pack(torch.ones(2, 2, dtype=torch.float16), None, "none")
    with pytest.raises(ConfigurationError, match=f"'int3'.*{', '.join(QUANTIZATIONS)}"):
        PackedWeights(RandomWeights(0, torch.float32, CPU), "int3")


def test_a_format_has_one_name() -> None:
    assert [canonical(kind) for kind in ("int4", "int4-a16")] == ["int4-32", "int4-32-a16"]
    assert all(canonical(kind) == kind for kind in QUANTIZATIONS if kind not in ("int4", "int4-a16"))


@pytest.mark.parametrize("kind", PACKED_QUANTIZATIONS[1:])
def test_activations_do_not_change_what_is_packed(kind: str) -> None:
    weight_OI = torch.randn(20, 130, generator=torch.Generator().manual_seed(1))
    narrow, floats = pack(weight_OI, None, kind), pack(weight_OI, None, f"{kind}-a16")
    assert floats.format is not narrow.format
    assert floats.format.num_bits == narrow.format.num_bits
    assert all(torch.equal(part, floats.parts[name]) for name, part in narrow.parts.items())


@pytest.mark.parametrize("kind", PACKED_QUANTIZATIONS)
def test_slices_give_what_the_whole_gives(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weight_OI = torch.randn(83, 70, generator=torch.Generator().manual_seed(0)).bfloat16()
    monkeypatch.setattr("weft.weights.packing.SLICE_NUMBERS", 1 << 30)
    whole = pack(weight_OI, None, kind)
    for numbers in (1, 16 * 70, 48 * 70):
        monkeypatch.setattr("weft.weights.packing.SLICE_NUMBERS", numbers)
        sliced = pack(weight_OI, None, kind)
        assert sliced.weight_OI.shape == (83, 70)
        assert sliced.parts.keys() == whole.parts.keys()
        assert all(torch.equal(part, whole.parts[name]) for name, part in sliced.parts.items())


def test_torch_keeps_its_threads() -> None:
    before = torch.get_num_threads()
    pack(torch.ones(40, 32), None, "int8")
    assert torch.get_num_threads() == before


DIGESTS = {1: "3d0eacf0b7352aa3", 2: "0580404a0a9c02f2", 3: "b7b8cdae0f82182c"}
"""Of what is packed below, by the version of the layout."""


def test_other_bytes_need_another_version_of_the_layout() -> None:
    """Where this fails, raise LAYOUT_VERSION and add a digest: files with the old bytes are made anew then."""
    weight_OI = torch.randn(20, 130, generator=torch.Generator().manual_seed(1)).bfloat16()
    digest = blake2b(digest_size=8)
    for kind in PACKED_QUANTIZATIONS:
        for part in pack(weight_OI, None, kind).parts.values():
            digest.update(bytes(part.view(torch.uint8).flatten().tolist()))
    assert digest.hexdigest() == DIGESTS[LAYOUT_VERSION]
