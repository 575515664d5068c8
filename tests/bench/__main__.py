"""`python -m tests.bench [--only PREFIX]`: measure, print, write `.local/bench.jsonl`, exit 1 on a broken bound."""

import argparse
import importlib
import json
import sys
from pathlib import Path

from tests.bench.figure import Bench, Figure

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / ".local" / "bench.jsonl"


def benches(only: str) -> list[Bench]:
    """The benches of every part whose name begins with the prefix."""
    found: list[Bench] = []
    for path in sorted(HERE.glob("bench_*.py")):
        part = path.stem.removeprefix("bench_")
        if part.startswith(only.split(".", 1)[0]) or not only:
            found += importlib.import_module(f"tests.bench.{path.stem}").BENCHES
    return found


def row(figure: Figure) -> str:
    """A line of the table."""
    sign = ">=" if figure.at_least else "<="
    compared = f"{figure.ratio:.2f} x {figure.baseline_name}" if figure.ratio is not None else "-"
    verdict = "holds" if figure.holds else "BROKEN"
    return (
        f"{figure.name:<28} {figure.median:>14,.1f} {min(figure.samples):>14,.1f} {max(figure.samples):>14,.1f} "
        f"{figure.unit:<10} {sign} {figure.bound:<12,.10g} {verdict:<7} {compared}"
    )


def main(arguments: list[str]) -> int:
    """Run what is asked for; 0 when every bound holds, 1 when one does not, 2 when nothing has such a name."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure; each figure has a bound.")
    parser.add_argument("--only", default="", help="the beginning of the names to measure, such as core or engine")
    only = parser.parse_args(arguments).only
    chosen = benches(only)
    if not chosen:
        print(f"no figure begins with {only!r}; parts: {', '.join(p.stem[6:] for p in HERE.glob('bench_*.py'))}")
        return 2
    print(f"{'figure':<28} {'median':>14} {'min':>14} {'max':>14} {'unit':<10} bound           verdict compared with")
    figures = []
    for bench in chosen:
        figure = bench()
        if figure.name.startswith(only):
            figures.append(figure)
            print(row(figure), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("".join(json.dumps(figure.as_dict()) + "\n" for figure in figures), encoding="utf-8")
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
