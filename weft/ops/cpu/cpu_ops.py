"""The `cpu` backend: linear layers by the compiled kernels, the rest as the `torch` backend does it."""

from torch import Tensor

from weft.ops.cpu.products import Products
from weft.ops.torch_ops import TorchOps
from weft.weights.linear import Linear
from weft.weights.packed import PackedLinear


class CpuOps(TorchOps):
    """See `Ops`. `num_threads`: of the kernels and, in turns with these, of torch.

    A linear layer gives a token the same bits whatever else is in a step; what torch computes between them holds to
    that only up to rounding. Raises `ConfigurationError` where there are no kernels.
    """

    name = "cpu"

    def __init__(self, num_threads: int) -> None:
        super().__init__(num_threads)
        self._products = Products(num_threads)

    @property
    def fingerprint(self) -> str:
        return f"cpu-1-{self._products.level}-{super().fingerprint}"

    def linear(self, x_TI: Tensor, linear: Linear) -> Tensor:
        if isinstance(linear, PackedLinear):
            return self._products(x_TI, linear)
        return super().linear(x_TI, linear)
