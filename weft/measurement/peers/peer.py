"""Which engines are measured: what they need from pip, and their formats."""

from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Peer:
    """`packages`: of its own environment, None for Weft, which runs in this one. `formats`: by its own names; the first
    `num_defaults` are measured where nothing is asked for. `converter`: the peer whose files it reads.
    `unwanted`: packages that others bring along, made for another build of torch, without which they work.
    `build_settings`: what cmake is told where pip compiles."""

    name: str
    packages: tuple[str, ...] | None
    formats: tuple[str, ...]
    num_defaults: int = 1
    converter: str | None = None
    unwanted: tuple[str, ...] = ()
    build_settings: tuple[str, ...] = ()

    @property
    def driver(self) -> str:
        """The name of its module below `drivers`, after `with_`."""
        return (self.converter or self.name).replace("-python", "").replace("-", "_")


FOR_THIS_PROCESSOR = ("-DGGML_NATIVE=ON", "-DCMAKE_CXX_FLAGS=-fno-dse -fno-tree-dse")
"""How llama.cpp is compiled. gcc 12 drops most of what is stored for `ldtilecfg`, of which it knows eight bytes, so
that programs would crash where there are tiles (AMX): stores stay."""

PEERS = {
    peer.name: peer
    for peer in (
        Peer("weft", None, ("int4", "int8", "none", "int4-64", "int4-128", "int4-a16", "int8-a16"), 2),
        Peer(
            "openvino",
            ("openvino", "optimum-intel[openvino]", "nncf", "torch"),
            ("int4", "int8", "bf16"),
            2,
            unwanted=("torchvision",),
        ),
        Peer(
            "llama-cpp-python",
            ("llama-cpp-python", "gguf", "safetensors", "torch"),
            ("q4_0", "q4_0-kv8", "q8_0", "bf16"),
            3,
            build_settings=FOR_THIS_PROCESSOR,
        ),
        Peer("transformers", ("transformers", "torch"), ("bfloat16",)),
        Peer("ctranslate2", ("ctranslate2", "transformers", "torch", "numpy"), ("int8", "bfloat16")),
        Peer(
            "onnxruntime-genai", ("onnxruntime-genai", "onnx", "onnx_ir", "transformers", "torch"), ("int4",)
        ),
    )
}
"""By name, in the order of reports."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One peer in one format."""

    peer: Peer
    kind: str

    @property
    def name(self) -> str:
        """openvino int4."""
        return f"{self.peer.name} {self.kind}"


def entrants(wanted: tuple[str, ...]) -> list[Entrant]:
    """By names, `openvino` or `openvino:int8`; none: all peers in the formats that compare best. Raises
    `ConfigurationError` for an unknown one."""
    found: list[Entrant] = []
    for text in wanted or tuple(PEERS):
        name, _, kind = text.partition(":")
        peer = PEERS.get(name)
        if peer is None:
            raise ConfigurationError(f"peer {name!r} is unknown; choose from {', '.join(PEERS)}")
        if kind and kind not in peer.formats:
            raise ConfigurationError(f"{name} has no format {kind!r}; choose from {', '.join(peer.formats)}")
        found += [Entrant(peer, each) for each in ((kind,) if kind else peer.formats[: peer.num_defaults])]
    return found
