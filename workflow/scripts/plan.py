"""Say what a run would do, before it does anything: cells, downloads, disk, rough time."""

import sys
from collections.abc import Sequence

from tabulate import tabulate

from ssdbench.errors import exit_code
from ssdbench.machine.host import available_cores
from ssdbench.plan.class_check import check_local_classes
from ssdbench.plan.command_line import config_parser, plan_of
from ssdbench.plan.forecast import Forecast, forecast
from ssdbench.plan.plan import Plan
from ssdbench.plan.targets import pages


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
    images = ", ".join(f"{tag} ({plan.image_count(tag) or 'as annotated'})" for tag in plan.tags)
    downloads = [
        f"  {download.name}: {f'{download.size / 1e6:,.1f} MB' if download.size else 'size not known'}"
        for download in cost.downloads
    ] or ["  nothing"]
    return "\n".join(
        [
            table,
            "",
            f"{len(plan.supported)} of {len(plan.cells)} cells run. Images: {images}.",
            *settings(plan),
            "To download:",
            *downloads,
            f"Disk: about {cost.disk / 1e9:.2f} GB, {cost.free / 1e9:.1f} GB are free.",
            f"Time after the downloads: roughly {max(1, round(cost.seconds / 60))} min"
            + (" for what is not there yet." if cost.seconds else "; everything is there."),
            "Reports: " + ", ".join(pages(plan)),
        ]
    )


def settings(plan: Plan) -> list[str]:
    """What of a sweep runs, where there is one: a sentence for each reason why something does not."""
    asked = plan.config.timing.settings
    if len(asked) == 1:
        return []
    available = available_cores()
    large = [setting.name for setting in asked if setting.cores > available]
    reasons: dict[str, list[str]] = {}
    for cell in (cell for cell in plan.cells if cell.unsupported is None):
        for batch, reason in cell.unsupported_batches.items():
            reasons.setdefault(f"unsupported with batch {batch}: {reason}", []).append(cell.name.path)
    return [
        f"Timed at {len(asked)} settings, {asked[0].name} being the default: {', '.join(s.name for s in asked)}.",
        *([f"  too many threads for the {available:g} cores here: {', '.join(large)}"] if large else []),
        *(f"  {why} ({len(cells)} cells)" for why, cells in reasons.items()),
    ]


def main(arguments: Sequence[str]) -> int:
    """Print the plan; exit code 1 and one sentence where it cannot be carried out."""
    parser = config_parser(__doc__ or "")
    parser.add_argument("--cores", default="all", help="cores to reckon with (default: all)")
    options = parser.parse_known_args(arguments)[0]
    cores = int(options.cores) if options.cores.isdigit() else int(available_cores())

    def work() -> None:
        plan = plan_of(options.configfile, options.config)
        cost = forecast(plan, max(1, cores))
        print(describe(plan, cost))
        cost.check_disk()
        check_local_classes(plan)

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
