"""The small model that comes with Weft, computed on the virtual loop: its steps take the time that the world says."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from weft.contracts.execution import ExecutorTraits
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import Prompt
from weft.contracts.requests import Request
from weft.contracts.steps import TokenLogprobs
from weft.contracts.transfers import Transfer, TransferResult
from weft.engine.config import UNBOUNDED_TOKENS
from weft.engine.engine import Engine
from weft.engine.replica import Output
from weft.measurement.campaign.layouts import BLOCK_TOKENS
from weft.measurement.campaign.world import World
from weft.model_specs.builtin import builtin_model

if TYPE_CHECKING:
    from weft.executor.model_runner import ModelRunner

NAME = "weft-nano"
MAX_MODEL_LEN = 80
BLOCK_BYTES = 6144
"""Of state of 4 tokens of this model."""


class ModelDevice:
    """A `Device` over a model's runner, which is used from one thread only."""

    def __init__(self, runner: "ModelRunner") -> None:
        self._runner = runner
        runner.bind_thread()
        self.execute, self.lose, self.move = runner.execute, runner.lose, runner.move
        self.forget_rows = runner.forget_rows

    def fail_move(self, transfer: Transfer, error: str) -> TransferResult:
        """Nothing has moved; what its target held counts no more."""
        return TransferResult(transfer.transfer_id, error=error)

    def update_weights(self, version: int) -> None:
        """Worlds change no weights."""
        raise NotImplementedError(f"no weights of version {version} are there")


class BuiltinModel:
    """On backend `reference`, whose bits are the same whatever else runs."""

    def __init__(self, world: World) -> None:
        # Here and below, because torch comes with it.
        from weft.executor.loading import load_serving

        plan = world.engine
        self._options = ServingOptions(
            backend="reference",
            max_model_len=MAX_MODEL_LEN,
            max_num_seqs=plan.max_running,
            max_num_batched_tokens=plan.max_step_tokens,
            kv_cache_memory_bytes=plan.num_blocks * BLOCK_BYTES,
            swap_memory_bytes=plan.num_host_blocks * BLOCK_BYTES,
            block_tokens=BLOCK_TOKENS,
            enable_prefix_caching=plan.prefix_caching,
            num_threads=1,
            depth=plan.depth,
        )
        serving = load_serving(builtin_model(NAME), self._options)
        self.fingerprint = serving.executor.numeric_fingerprint
        self.config = replace(
            serving.config,
            max_queued_tokens=plan.max_queued_tokens,
            order=plan.order,
            budget=plan.budget,
            preempt=plan.preempt,
            retain=plan.retain,
        )
        self._serving = serving
        self._alone: dict[tuple[str, Prompt], _Answer] = {}

    def device(self) -> ModelDevice:
        """With state of its own; the weights are those of all."""
        from weft.executor.backend_choice import choose_format
        from weft.executor.cache_format import choose_cache_format
        from weft.executor.model_runner import ModelRunner
        from weft.executor.state_pools import StatePools

        runner, spec = self._serving.executor.runner, self._serving.spec
        cache = choose_cache_format(choose_format(spec, self._options), self._options)
        names, place = (
            [group.name for group in self.config.layout.groups],
            runner.pools.layers[0].keys_SGE.device,
        )
        on_device = [self.config.num_blocks[name] for name in names]
        on_host = [self.config.num_host_blocks.get(name, 0) for name in names]
        pools = StatePools(spec, BLOCK_TOKENS, on_device, on_host, cache, place)
        most_blocks = MAX_MODEL_LEN // BLOCK_TOKENS + 1
        rows = self.config.max_running
        return ModelDevice(ModelRunner(runner.model, runner.ops, pools, BLOCK_TOKENS, rows, most_blocks))

    def output(self, request: Request, sample: int) -> tuple[int, ...]:
        """What it says when nothing else runs."""
        return tuple(self._answer(request).tokens[sample])

    def logprobs(self, request: Request, sample: int, output: tuple[int, ...]) -> tuple[TokenLogprobs, ...]:
        """The same."""
        return tuple(self._answer(request).logprobs[sample][: len(output)])

    def close(self) -> None:
        """End what computes."""
        self._serving.close()

    def _answer(self, request: Request) -> "_Answer":
        key = request.request_id, request.prompt
        if key not in self._alone:
            self._alone[key] = self._ask_alone(request)
        return self._alone[key]

    def _ask_alone(self, request: Request) -> "_Answer":
        config = replace(self.config, order="fcfs", budget="decode_first", prefix_caching=False)
        engine = Engine(
            replace(config, max_queued_tokens=UNBOUNDED_TOKENS), ExecutorTraits(1, self.fingerprint)
        )
        device, answer = self.device(), _Answer(request.sampling.n)
        engine.submit(request, 0.0)
        while (step := engine.schedule(0.0)) is not None:
            engine.update(device.execute(step), 0.0)
            answer.take(engine.take_outputs())
        return answer


class _Answer:
    """Outputs by sample."""

    def __init__(self, num_samples: int) -> None:
        self.tokens: list[list[int]] = [[] for _ in range(num_samples)]
        self.logprobs: list[list[TokenLogprobs]] = [[] for _ in range(num_samples)]

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self.tokens[output.sample_index] += output.tokens
            self.logprobs[output.sample_index] += output.logprobs
