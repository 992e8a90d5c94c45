"""OpenVINO: the model that optimum-intel exports, compiled for the CPU; state in bytes."""

import importlib
from time import perf_counter
from typing import Any

GROUP = 32


def convert(model: str, target: str, kind: str) -> None:
    """bf16: as it is. int8: a scale per output. int4: symmetric, groups of 32, all layers."""
    library: Any = importlib.import_module("optimum.intel")
    settings = {
        "bf16": None,
        "int8": {"bits": 8},
        "int4": {"bits": 4, "sym": True, "group_size": GROUP, "ratio": 1.0},
    }[kind]
    quantized = (
        {} if settings is None else {"quantization_config": library.OVWeightQuantizationConfig(**settings)}
    )
    exported = library.OVModelForCausalLM.from_pretrained(model, export=True, compile=False, **quantized)
    exported.save_pretrained(target)


class Driver:
    """See loop.py."""

    def __init__(self, files: str, kind: str, threads: int) -> None:
        self._library: Any = importlib.import_module("openvino")
        self._numpy: Any = importlib.import_module("numpy")
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "KV_CACHE_PRECISION": "u8",
        }
        core = self._library.Core()
        self._compiled = core.compile_model(f"{files}/openvino_model.xml", "CPU", settings)
        self._names = {name for each in self._compiled.inputs for name in each.get_names()}
        self._request: Any = None
        self._rows = self._past = 0

    def describe(self) -> dict[str, str]:
        return {"openvino": self._library.get_version()}

    def prefill(self, tokens: list[int]) -> float:
        self._begin(1)
        return self._infer([tokens])

    def prepare(self, rows: list[list[int]]) -> None:
        self._begin(len(rows))
        self._infer(rows)

    def steps(self, count: int) -> list[float]:
        return [self._infer([[300 + step]] * self._rows) for step in range(count)]

    def _begin(self, rows: int) -> None:
        self._request = self._compiled.create_infer_request()
        self._rows, self._past = rows, 0

    def _infer(self, rows: list[list[int]]) -> float:
        number, total = len(rows[0]), self._past + len(rows[0])
        positions = self._numpy.arange(self._past, total)[None].repeat(len(rows), 0)
        values = {
            "input_ids": self._numpy.array(rows, "int64"),
            "attention_mask": self._numpy.ones((len(rows), total), "int64"),
            "position_ids": positions.astype("int64"),
            "beam_idx": self._numpy.arange(len(rows), dtype="int32"),
        }
        for name, value in values.items():
            if name in self._names:
                self._request.set_tensor(name, self._library.Tensor(value))
        begun_s = perf_counter()
        self._request.infer()
        self._past += number
        return perf_counter() - begun_s
