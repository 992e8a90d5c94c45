from collections.abc import Sequence

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

class Experts:
    @staticmethod
    def make(
        gate_up: Sequence[Layer], down: Sequence[Layer], num_chosen: int, sums_to_one: bool
    ) -> Experts: ...

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
    def lost(self, now_ns: int, lost_ns: int) -> None: ...

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

class Rows:
    def __init__(self, values: int, stride: int, count: int, parts: int, width: int) -> None: ...

class Cache:
    @staticmethod
    def make(format: int, keys: int, values: int, heads: int, head_dim: int, head_bytes: int) -> Cache: ...

class AttentionPlan:
    def __init__(self, spans: Sequence[tuple[int, int, int]], block_tokens: int) -> None: ...
    def add_group(self, tables: int, width: int, num_blocks: int, window: int) -> None: ...

class Program:
    def __init__(self, tokens: int, positions: int, most_rows: int) -> None: ...
    def __len__(self) -> int: ...
    @property
    def by_rows(self) -> bool: ...
    def expect(self, rows: int) -> None: ...
    def cut(self, num_parts: int) -> None: ...
    def run(self, tokens: int, positions: int, rows: int, plan: AttentionPlan, num_parts: int) -> None: ...
    def profile(self, plan: AttentionPlan) -> list[tuple[str, float]]: ...

class Operations:
    def __init__(self, engine: Engine) -> None: ...
    def record(self, program: Program | None) -> None: ...
    def linear(
        self,
        layer: Layer,
        input: int,
        number: int,
        rows: int,
        width: int,
        output: int,
        output_number: int,
    ) -> None: ...
    def embed(
        self, table: int, row_bytes: int, num_rows: int, tokens: int, count: int, output: int
    ) -> None: ...
    def embed_packed(
        self,
        blocks: int,
        block_bytes: int,
        row_bytes: int,
        num_rows: int,
        tokens: int,
        count: int,
        output: int,
    ) -> None: ...
    def norm(self, number: int, x: Rows, weight: int, eps: float, output: int) -> None: ...
    def add_norm(
        self, number: int, x: Rows, y: Rows, weight: int, eps: float, stream: int, output: int
    ) -> None: ...
    def rotate(self, number: int, x: Rows, cosines: Rows, sines: Rows, output: int) -> None: ...
    def gate(self, number: int, both: Rows, output: int) -> None: ...
    def experts(
        self,
        experts: Experts,
        number: int,
        scores: Rows,
        tokens: Rows,
        both: int,
        gated: int,
        made: int,
        output: int,
    ) -> None: ...
    def likeliest(self, scores: Rows, tokens: int) -> None: ...
    def attend(
        self,
        number: int,
        queries: Rows,
        keys: Rows,
        values: Rows,
        output: int,
        cache: Cache,
        scale: float,
        group: int,
        plan: AttentionPlan,
    ) -> None: ...

def levels() -> list[str]: ...
def why_no_amx() -> str | None: ...
