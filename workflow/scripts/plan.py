"""Say what a run would do, before it does anything: cells, downloads, disk, rough time."""

import argparse
import os
import sys
from pathlib import Path

import yaml
from tabulate import tabulate

from ssdbench.config import merge
from ssdbench.documents import read_yaml
from ssdbench.errors import UserError
from ssdbench.forecast import Forecast, forecast, image_count
from ssdbench.load import load_plan
from ssdbench.plan import Plan

ROOT = Path(__file__).resolve().parents[2]


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, help="a file to merge into config.yaml, as snakemake takes it")
    parser.add_argument(
        "--config", nargs="*", default=[], metavar="KEY=VALUE", help="single keys, as snakemake takes them"
    )
    parser.add_argument(
        "--cores", type=int, default=len(os.sched_getaffinity(0)), help="cores to reckon with (default: all)"
    )
    return parser.parse_known_args(arguments)[0]  # `make` hands over what is meant for snakemake as well


def load(arguments: argparse.Namespace) -> Plan:
    """The plan of the merged configuration. Raises UserError where it is wrong."""
    config = read_yaml(ROOT / "config.yaml")
    if arguments.configfile:
        config = merge(config, read_yaml(arguments.configfile) or {})
    for entry in arguments.config:
        key, separator, value = entry.partition("=")
        if not separator:
            raise UserError(f"--config {entry}: give KEY=VALUE.")
        config = merge(config, {key: yaml.safe_load(value)})
    return load_plan(config, ROOT, os.environ)


def describe(plan: Plan, cost: Forecast) -> str:
    """The plan in words and tables."""
    rows = [
        [
            *vars(cell.name).values(),
            "runs" if cell.unsupported is None else f"unsupported: {cell.unsupported}",
        ]
        for cell in plan.cells
    ]
    table = tabulate(
        rows, ["dataset", "model", "protocol", "framework", "precision", ""], maxcolwidths=[None] * 5 + [60]
    )
    images = ", ".join(f"{tag} ({image_count(plan, tag) or 'as annotated'})" for tag in plan.tags)
    downloads = [
        f"  {download.name}: {f'{download.size / 1e6:,.1f} MB' if download.size else 'size not known'}"
        for download in cost.downloads
    ] or ["  nothing"]
    return "\n".join(
        [
            table,
            "",
            f"{len(plan.supported)} of {len(plan.cells)} cells run. Images: {images}.",
            "To download:",
            *downloads,
            f"Disk: about {cost.disk / 1e9:.2f} GB, {cost.free / 1e9:.1f} GB are free.",
            f"Time after the downloads: roughly {max(1, round(cost.seconds / 60))} min"
            + (" for what is not there yet." if cost.seconds else "; everything is there."),
            "Reports: " + ", ".join(plan.pages),
        ]
    )


def main(arguments: list[str]) -> int:
    """Print the plan; exit code 1 and one sentence where it cannot be carried out."""
    try:
        parsed = parse_arguments(arguments)
        plan = load(parsed)
        cost = forecast(plan, parsed.cores)
        print(describe(plan, cost))
        cost.check_disk()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
