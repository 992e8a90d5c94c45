class Layer:
    @staticmethod
    def make(
        format: int,
        blocks: int,
        block_bytes: int,
        factors: int,
        bias: int,
        outputs: int,
        inputs: int,
        group_inputs: int,
    ) -> Layer: ...

class Product:
    @staticmethod
    def make(
        layer: Layer,
        input: int,
        input_number: int,
        rows: int,
        width: int,
        output: int,
        output_number: int,
        output_width: int,
    ) -> Product: ...

class Contention:
    def alone(self, now_ns: int) -> bool: ...
    def stalled(self, now_ns: int) -> None: ...

class Engine:
    def __init__(self, num_threads: int, level: str) -> None: ...
    def linear(
        self,
        layer: Layer,
        input: int,
        input_number: int,
        rows: int,
        width: int,
        output: int,
        output_number: int,
        output_width: int,
    ) -> None: ...
    def times_of(self, products: list[Product]) -> list[float]: ...
    def read_bandwidth(self, size: int) -> float: ...
    def peak(self, kind: str, seconds: float) -> float: ...

def levels() -> list[str]: ...
