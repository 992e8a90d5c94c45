"""Linear layers by the compiled kernels: torch tensors in, torch tensors out."""

from collections.abc import MutableMapping
from typing import TYPE_CHECKING
from weakref import finalize

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from weft.contracts.errors import ConfigurationError
from weft.ops.cpu.library import choose_level, kernels
from weft.weights.experts import Experts
from weft.weights.packed import MOST_INPUTS, PackedLinear

if TYPE_CHECKING:
    from weft.ops.cpu import _kernels
    from weft.ops.cpu._kernels import Engine, Layer, Product

NUMBERS = {torch.float32: 0, torch.bfloat16: 1}
"""Number formats of activations, as the kernels count them."""


class Products:
    """x W^T + b on `num_threads` threads, the caller's among them, with the GIL released.

    A row's bits depend on the row, the layer, the level of instructions and nothing else. On float weights each output
    is the sum over its inputs from first to last, fused one by one (where weights and activations are bfloat16 and the
    processor multiplies these, in pairs, with denormal numbers taken as zeros; on level amx, those at even and at odd
    places of each 32 by themselves). On integer weights a row is rounded to
    int8 by its largest magnitude; each group is summed up exactly, and groups are added from first to last: all
    levels give the same bits. A row with an infinity or a NaN makes all its own outputs NaN there.

    Where activations stay as they are (`PackedFormat.INT8_A16`), a group is summed up as float weights are (in pairs:
    the first and the third of four inputs, then the others), before it is scaled: a row makes outputs infinite whose
    sums of activations times integers, at most 128 each, leave float32.

    `level`: of `weft.ops.cpu.library.levels`; None: the environment's or the fastest. Raises `ConfigurationError` where
    there are no kernels or no such level.
    """

    def __init__(self, num_threads: int, level: str | None = None) -> None:
        library = kernels()
        self.level = choose_level(level)
        self.engine: Engine = library.Engine(num_threads, self.level)
        self._make_layer, self._make_product = library.Layer.make, library.Product.make
        self._layers: dict[int, Layer] = {}
        self._experts: MutableMapping[Experts, _kernels.Experts] = WeakIdKeyDictionary()

    def __call__(self, x_TI: Tensor, linear: PackedLinear) -> Tensor:
        """[T, O] in the number format of x."""
        assert x_TI.device.type == "cpu", x_TI.device
        outputs, inputs = linear.weight_OI.shape
        rows = x_TI.shape[0]
        assert x_TI.shape == (rows, inputs), (x_TI.shape, inputs)
        number = NUMBERS.get(x_TI.dtype)
        if number is None:
            raise ConfigurationError(
                f"activations are {x_TI.dtype}; the cpu backend takes float32 and bfloat16"
            )
        x_TI = x_TI.contiguous()
        y_TO = torch.empty(rows, outputs, dtype=x_TI.dtype)
        self.engine.linear(
            self.layer(linear), x_TI.data_ptr(), number, rows, inputs, y_TO.data_ptr(), number, outputs
        )
        return y_TO

    def product(self, x_TI: Tensor, linear: PackedLinear, y_TO: Tensor) -> "Product":
        """A product to be computed later: the kernels' own record, which holds addresses into the tensors."""
        (rows, inputs), outputs = x_TI.shape, y_TO.shape[1]
        made: Product = self._make_product(
            self.layer(linear),
            x_TI.data_ptr(),
            NUMBERS[x_TI.dtype],
            rows,
            inputs,
            y_TO.data_ptr(),
            NUMBERS[y_TO.dtype],
            outputs,
        )
        return made

    def layer(self, linear: PackedLinear) -> "Layer":
        """The kernels' own record of a layer, which holds addresses into its tensors."""
        known = self._layers.get(id(linear))
        if known is None:
            known = self._layers[id(linear)] = self._describe(linear)
            finalize(linear, self._layers.pop, id(linear))
        return known

    def experts(self, experts: Experts) -> "_kernels.Experts":
        """The same of a layer's experts, all of which are packed."""
        known = self._experts.get(experts)
        if known is None:
            gate_up, down = (
                [self.layer(each) for each in linears if isinstance(each, PackedLinear)]
                for linears in (experts.gate_up, experts.down)
            )
            assert len(gate_up) == len(down) == len(experts.down)
            known = kernels().Experts.make(gate_up, down, experts.num_chosen, experts.sums_to_one)
            self._experts[experts] = known
        return known

    def _describe(self, linear: PackedLinear) -> "Layer":
        outputs, inputs = linear.weight_OI.shape
        if linear.num_inputs > MOST_INPUTS:
            raise ConfigurationError(
                f"a layer has {inputs} inputs; the cpu backend takes at most {MOST_INPUTS}"
            )
        made: Layer = self._make_layer(
            linear.format.value,
            linear.blocks.data_ptr(),
            linear.blocks.shape[1],
            linear.factors_O.data_ptr(),
            0 if linear.bias_O is None else linear.bias_O.data_ptr(),
            outputs,
            linear.num_inputs,
            linear.group_inputs,
        )
        return made
