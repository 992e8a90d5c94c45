"""`weft convert`: weights of other formats, or a model with an adapter, into a directory that Weft serves."""

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from weft.contracts.errors import ConfigurationError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TOKENIZER_FILE = "tokenizer.model"


def _convert_llama2c(source: Path, target: Path, tokenizer: Path | None) -> int:
    """Returns how many tensors were written."""
    from weft.weights.llama2c import Llama2cTensors, llama2c_config, read_header
    from weft.weights.save import save_checkpoint

    header = read_header(source)
    if tokenizer:
        _check_tokenizer(tokenizer, abs(header.vocab))
    tensors = Llama2cTensors(source, header)
    other_files = {TOKENIZER_FILE: tokenizer} if tokenizer else {}
    save_checkpoint(target, llama2c_config(header), tensors, other_files=other_files)
    return len(tensors)


def _check_tokenizer(path: Path, vocab: int) -> None:
    from sentencepiece import SentencePieceProcessor

    try:
        processor = SentencePieceProcessor()
        processor.LoadFromSerializedProto(path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"{path} is not a SentencePiece model; name the .model file, not llama2.c's tokenizer.bin"
        ) from error
    pieces = processor.vocab_size()
    if pieces != vocab:
        raise ConfigurationError(
            f"{path} has {pieces} pieces, but the model's vocabulary is {vocab}; name the model's own tokenizer"
        )


# Each imports torch only when it runs.
CONVERTERS: Mapping[str, Callable[[Path, Path, Path | None], int]] = {"llama2.c": _convert_llama2c}


def _merge(base: Path, adapter: Path, target: Path) -> None:
    from weft.weights.merged import merge_adapter

    num_adapted = merge_adapter(base, adapter, target)
    click.echo(f"{target}: {base} with {num_adapted} matrices adapted")


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "source_format",
    type=click.Choice(list(CONVERTERS)),
    help="What SOURCE is. llama2.c: the legacy fp32 format of llama2.c (.bin).",
)
@click.option("--tokenizer", type=FILE, help="SentencePiece model to copy into TARGET as tokenizer.model.")
@click.option(
    "--adapter",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="LoRA adapter in PEFT's format, to be added to the model in SOURCE.",
)
def command(
    source: Path, target: Path, source_format: str | None, tokenizer: Path | None, adapter: Path | None
) -> None:
    """Convert the weights in the file SOURCE into the Hugging Face directory TARGET, or with --adapter the model in the
    directory SOURCE into one that has the adapter in its weights.

    TARGET gets config.json, model.safetensors (above 5 GB in shards with an index), and tokenizer.model where
    one is given. Numbers stay as they are stored: fp32. With an adapter, everything else is the model's own. TARGET
    must not exist or be empty; it is complete or absent afterwards, also where the conversion is interrupted.
    """
    if adapter is not None:
        if source_format is not None or tokenizer is not None:
            raise click.UsageError("--adapter keeps format and tokenizer; leave --format and --tokenizer out")
        _merge(source, adapter, target)
        return
    if source_format is None:
        raise click.MissingParameter(param_hint="'--format'", param_type="option")
    num_tensors = CONVERTERS[source_format](source, target, tokenizer)
    files = f"config.json, {TOKENIZER_FILE}" if tokenizer else "config.json"
    click.echo(f"{target}: {num_tensors} tensors in float32, {files}")
