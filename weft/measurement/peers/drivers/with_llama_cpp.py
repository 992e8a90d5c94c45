"""llama.cpp, by its own C functions through llama-cpp-python; GGUF files are written here."""

import ctypes
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

PARTS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""What GGUF calls the tensors of a layer of a Llama."""
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
BYTE_TOKENS = 256
CACHE_IN_BYTES = "-kv8"
"""At the end of a format: keys and values in Q8_0; else in float16, its default."""


def convert(model: str, target: str, kind: str) -> None:
    """All matrices in one of GGUF's formats: q4_0, q8_0, bf16; how it keeps its cache changes nothing in the file."""
    gguf: Any = importlib.import_module("gguf")
    config = json.loads((Path(model) / "config.json").read_text())
    number = getattr(gguf.GGMLQuantizationType, kind.removesuffix(CACHE_IN_BYTES).upper())
    Path(target).mkdir()
    writer = gguf.GGUFWriter(f"{target}/model.gguf", "llama")
    _write_config(gguf, writer, config)
    for name, values in _tensors(model, config):
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_config(gguf: Any, writer: Any, config: dict[str, Any]) -> None:
    hidden, heads, vocab = config["hidden_size"], config["num_attention_heads"], config["vocab_size"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(hidden)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(vocab)
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(BYTE_TOKENS))]
    tokens += [f"token {number}".encode() for number in range(len(tokens), vocab)]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * BYTE_TOKENS]
    kinds += [gguf.TokenType.NORMAL] * (vocab - len(kinds))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * vocab)
    writer.add_token_types(kinds)


def _tensors(model: str, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """In float32, by GGUF's names; rows of queries and keys in the order that rotates neighbours."""
    opened = importlib.import_module("safetensors").safe_open(f"{model}/model.safetensors", framework="pt")
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name in opened.keys():  # noqa: SIM118  # not a dict
        values = opened.get_tensor(name).float().numpy()
        place = name.removesuffix(".weight")
        count = heads.get(place.rpartition(".")[2])
        if count is not None:
            halves = values.reshape(count, 2, -1, values.shape[1])
            values = halves.swapaxes(1, 2).reshape(values.shape)
        yield f"{_gguf_name(place)}.weight", values


def _gguf_name(place: str) -> str:
    if place in WHOLE:
        return WHOLE[place]
    _, _, number, part = place.split(".", 3)
    return f"blk.{number}.{PARTS[part]}"


class Driver:
    """See loop.py."""

    def __init__(self, files: str, kind: str, threads: int) -> None:
        self._library: Any = importlib.import_module("llama_cpp")
        self._threads, self._has_cache_in_bytes = threads, kind.endswith(CACHE_IN_BYTES)
        self._library.llama_backend_init()
        self._silence = self._library.llama_log_callback(lambda *_: None)
        self._library.llama_log_set(self._silence, ctypes.c_void_p())
        parameters = self._library.llama_model_default_params()
        self._model = self._library.llama_model_load_from_file(f"{files}/model.gguf".encode(), parameters)
        if not self._model:
            raise ValueError(f"{files}/model.gguf cannot be loaded")
        self._context: Any = None
        self._rows = self._past = 0

    def describe(self) -> dict[str, str]:
        return {"llama-cpp-python": self._library.__version__}

    def prefill(self, tokens: list[int]) -> float:
        self._begin(1, 2 * len(tokens))
        return self._decode([tokens])

    def prepare(self, rows: list[list[int]]) -> None:
        self._begin(len(rows), len(rows) * (len(rows[0]) + 256))
        for number, row in enumerate(rows):
            self._decode([row], number)
        self._past = len(rows[0])

    def steps(self, count: int) -> list[float]:
        times = []
        for step in range(count):
            times.append(self._decode([[300 + step]] * self._rows))
            self._past += 1
        return times

    def _begin(self, rows: int, cells: int) -> None:
        if self._context is not None:
            self._library.llama_free(self._context)
        parameters = self._library.llama_context_default_params()
        parameters.n_ctx, parameters.n_seq_max = cells, rows
        parameters.n_batch, parameters.n_ubatch = 2048, 512
        parameters.n_threads = parameters.n_threads_batch = self._threads
        # Cells of its own for every sequence: with all in one pool each would look at the others' as well.
        parameters.kv_unified = False
        if self._has_cache_in_bytes:
            parameters.type_k = parameters.type_v = self._library.GGML_TYPE_Q8_0
        self._context = self._library.llama_init_from_model(self._model, parameters)
        self._rows, self._past = rows, 0

    def _decode(self, rows: list[list[int]], first_row: int = 0) -> float:
        """Seconds for all tokens of the rows, with scores after each row's last."""
        size = sum(map(len, rows))
        batch = self._library.llama_batch_init(size, 0, 1)
        batch.n_tokens, index = size, 0
        for number, row in enumerate(rows, first_row):
            for place, token in enumerate(row):
                batch.token[index], batch.pos[index] = token, self._past + place
                batch.n_seq_id[index], batch.seq_id[index][0] = 1, number
                batch.logits[index] = place == len(row) - 1
                index += 1
        begun_s = perf_counter()
        code = self._library.llama_decode(self._context, batch)
        self._library.llama_synchronize(self._context)
        seconds = perf_counter() - begun_s
        self._library.llama_batch_free(batch)
        if code:
            raise ValueError(f"llama_decode returned {code}")
        return seconds
