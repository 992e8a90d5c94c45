"""OpenVINO GenAI's continuous batching, in process: requests join and leave between steps; state in bytes."""

import importlib
from time import perf_counter, sleep
from typing import Any

CACHE_GB = 4


def convert(model: str, target: str, kind: str) -> None:
    """The same files as for `openvino`."""
    importlib.import_module("with_openvino").convert(model, target, kind)


class Driver:
    """See loop.py. What is not set here is as OpenVINO has it by default."""

    def __init__(self, files: str, kind: str, threads: int) -> None:
        self._library: Any = importlib.import_module("openvino_genai")
        self._tensors: Any = importlib.import_module("openvino")
        self._numpy: Any = importlib.import_module("numpy")
        scheduler = self._library.SchedulerConfig()
        scheduler.cache_size = CACHE_GB
        settings = {"INFERENCE_NUM_THREADS": threads, "KV_CACHE_PRECISION": "u8"}
        self._pipeline = self._library.ContinuousBatchingPipeline(files, scheduler, "CPU", settings)
        self._num_requests = 0

    def describe(self) -> dict[str, str]:
        return {"openvino-genai": self._library.get_version()}

    def serve(self, load: list[Any]) -> list[list[float]]:
        begun_s, waiting = perf_counter(), list(reversed(load))
        open_requests: list[Any] = []
        served: list[list[float]] = []
        while waiting or self._pipeline.has_non_finished_requests():
            while waiting and waiting[-1][0] <= perf_counter() - begun_s:
                served.append([0.0, 0.0, 0])
                open_requests.append((self._add(*waiting.pop()[1:]), served[-1]))
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()
                _note(open_requests, perf_counter() - begun_s)
            else:
                sleep(max(0.0, waiting[-1][0] - (perf_counter() - begun_s)))
        return served

    def _add(self, prompt: list[int], output_tokens: int) -> Any:
        config = self._library.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = output_tokens, True, False
        self._num_requests += 1
        tokens = self._tensors.Tensor(self._numpy.array([prompt], "int64"))
        return self._pipeline.add_request(self._num_requests, tokens, config)


def _note(open_requests: list[Any], now_s: float) -> None:
    """Put down for each request what the last step gave it."""
    for handle, times in open_requests:
        while handle.can_read():
            for output in handle.read().values():
                times[0] = times[0] or now_s
                times[1], times[2] = now_s, times[2] + len(output.generated_ids)
