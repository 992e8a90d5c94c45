"""`weft quantize`: a model's directory again, with packed weights."""

from pathlib import Path

import click
from tqdm import tqdm

from weft.cli.mistakes import NearChoice
from weft.contracts.options import AUTO, PACKED_QUANTIZATIONS
from weft.llm.model_path import resolve_model
from weft.model_specs.families import read_spec

MEGABYTE = 1_000_000
BAR_DELAY_S = 2.0
KINDS = NearChoice(PACKED_QUANTIZATIONS[1:])
DTYPES = NearChoice([AUTO, "bfloat16", "float32"])


@click.command()
@click.argument("model")
@click.option("--quantization", "kind", type=KINDS, required=True, help="int4-64: in groups of 64.")
@click.option("--out", "target", type=click.Path(path_type=Path), required=True, help="Directory to write.")
@click.option(
    "--dtype",
    type=DTYPES,
    default=AUTO,
    show_default=True,
    help="Of what is not quantised; auto: the model's.",
)
@click.option("--force", is_flag=True, help="Replace a directory that `weft quantize` wrote.")
def command(model: str, kind: str, target: Path, dtype: str, force: bool) -> None:
    """Write the directory of MODEL again with quantised weights, for backend `cpu`.

    MODEL is a Hugging Face directory, ORG/NAME of huggingface.co, or one that comes with Weft. The new directory has
    its tokenizer and settings, and goes wherever a model goes: weft serve OUT --backend cpu, also with activations that
    stay as they are (--quantization int8-a16). Other directories are packed at their first start, into a cache (weft
    cache list).
    """
    from weft.executor.quantizing import quantize_directory

    directory = resolve_model(model)
    num_weights = read_spec(directory).num_parameters
    with tqdm(total=num_weights, unit="", unit_scale=True, delay=BAR_DELAY_S, disable=None) as bar:
        sizes = quantize_directory(directory, target, kind, dtype=dtype, force=force, tell=bar.update)
    before, after = (f"{size / MEGABYTE:,.1f} MB" for size in sizes)
    bits = f"{8 * sizes.packed / num_weights:.2f} bits per weight"
    click.echo(
        f"{target}: {num_weights:,} weights, {before} before, {after} in {kind} ({bits}); for --backend cpu"
    )
