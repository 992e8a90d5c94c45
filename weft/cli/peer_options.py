"""What `weft bench peers` and `weft bench peers-serve` take alike."""

from pathlib import Path

import click

from weft.cli.bench_output import COUNT

kept_in = click.option(
    "--dir",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the model, the peers' environments and their files are kept, and found again.",
)
with_threads = click.option("--threads", type=COUNT, help="[default: as many as may be used]")
as_json_too = click.option("--json", "as_object", is_flag=True, help="One JSON object instead of a table.")
