"""Tables of docs/benchmarks/policies.md, made anew: each stands behind a comment that names it.

python -m tools.policy_tables PAGE [--only NAME ...]

A table takes one to five minutes of one core. `--print` shows the commands instead.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

EVERYWHERE = "--model meta-llama/Llama-3.1-8B --seeds 5 --max-num-seqs 64"
ON_H100 = (
    f"{EVERYWHERE} --slo-ttft-ms 1000 --slo-tpot-ms 25 "
    "--policies fcfs,srpt,vtc,andes,tiny_quanta,prefill_first,slo_chunk"
)
ON_L4 = (
    f"{EVERYWHERE} --hardware l4 --max-model-len 16384 --slo-ttft-ms 5000 --slo-tpot-ms 200 "
    "--policies fcfs,srpt,andes,longest_prefix,slo_chunk,lfu,greedy_dual,session_aware"
)
ARENA = "--workload arena --rate 30 --requests 800"
CODE = "--workload azure-code --rate 20 --requests 800"

TABLES: Mapping[str, str] = {
    "h100-arena": f"{ON_H100} {ARENA}",
    "h100-code": f"{ON_H100} {CODE}",
    "h100-conversation": f"{ON_H100} --workload azure-conv --rate 20 --requests 800",
    "h100-pulses": f"{ON_H100} --workload pulses --rate 12 --requests 1500",
    "h100-mooncake": f"{ON_H100} --workload mooncake-conversation --rate 1.3 --requests 300 --slo-ttft-ms 5000",
    "l4-multi-turn": f"{ON_L4} --workload multi-turn --rate 1.2 --requests 1000",
    "l4-agents": f"{ON_L4} --workload agents --rate 0.7 --requests 600",
    "untold-arena": f"{ON_H100} {ARENA} --slo-told none",
    "untold-code": f"{ON_H100} {CODE} --slo-told none",
}
"""What `weft compare` is given for each."""

_PLACE = re.compile(r"<!-- table: (?P<name>[a-z0-9-]+) -->\n(?P<table>(?:\|.*\n)*)")


def named_tables(page: str) -> list[str]:
    """The names that stand in a page, in its order."""
    return [place["name"] for place in _PLACE.finditer(page)]


def replaced(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables in place of those under their names. Raises `ValueError` where one has no place."""
    missing = sorted(set(tables) - set(named_tables(page)))
    if missing:
        raise ValueError(f"no place for {missing[0]}; write <!-- table: {missing[0]} --> where it belongs")
    return _PLACE.sub(lambda place: _with_table(place, tables), page)


def _with_table(place: re.Match[str], tables: Mapping[str, str]) -> str:
    name = place["name"]
    return f"<!-- table: {name} -->\n{tables.get(name, place['table'])}"


def _compared(name: str) -> str:
    with tempfile.TemporaryDirectory() as directory:
        table = Path(directory) / "table.md"
        weft = Path(sys.executable).with_name("weft")
        command = [str(weft), "compare", *TABLES[name].split(), "--markdown", str(table)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return table.read_text()


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--print", action="store_true", help="show the commands and run none")
    given = parser.parse_args()
    for name in given.only:
        print(f"{name}: weft compare {TABLES[name]}", flush=True)
        if not given.print:
            page = given.page.read_text()
            given.page.write_text(replaced(page, {name: _compared(name)}))


if __name__ == "__main__":
    main()
