"""Set two results folders side by side: what moved beyond noise from A to B, and what differs between them.

Give two results folders, or that of one dataset tag in each:

  python workflow/scripts/compare_results.py results_before results
  python workflow/scripts/compare_results.py results_before/local results/local
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ssdbench.errors import UserError, exit_code
from ssdbench.files.writing import write_text
from ssdbench.report.compare.compare_page import describe_comparison, render_comparison
from ssdbench.report.compare.compare_results import compare_results
from ssdbench.report.compare.results_folder import read_results


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Only cells of the same dataset tag, model, protocol, framework and precision are\n"
        "compared. AP moved where the 95 % interval of a paired bootstrap over the same images\n"
        "leaves out 0; latency where valid timings on the same processor and setting differ by\n"
        "more than 5 % and their rounds do not overlap. The exit code is 0 whatever moved, and 1\n"
        "where nothing could be compared.",
    )
    parser.add_argument("a", metavar="A", help="the results to compare with: a folder")
    parser.add_argument("b", metavar="B", help="the results to judge: a folder")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PAGE",
        help="the page to write (default: B/compare-with-<name of A>/index.html)",
    )
    return parser.parse_args(arguments)


def write_page(page: Path, text: str) -> None:
    """Write the page.

    Raises:
        UserError: it cannot be written.
    """
    try:
        write_text(page, text)
    except OSError as error:
        raise UserError(f"{page} cannot be written: {error.strerror}. Give another place with -o.") from error


def compare(options: argparse.Namespace) -> None:
    """Print the comparison and write its page.

    Raises:
        UserError: there is nothing to compare, or the page cannot be written.
    """
    if not options.a or not options.b:
        raise UserError("Give two results folders: make compare A=results_before B=results.")
    a, b = Path(options.a), Path(options.b)
    comparison = compare_results(read_results(a), read_results(b))
    if not comparison.pairs:
        raise UserError(f"{a} and {b} have no cell in common, so there is nothing to compare.")
    page = options.output or b / f"compare-with-{a.resolve().name}" / "index.html"
    print(describe_comparison(comparison, str(a), str(b)))
    write_page(page, render_comparison(comparison, str(a), str(b)))
    print(f"\n{page}")


def main(arguments: Sequence[str]) -> int:
    """Compare; exit code 1 and one sentence where there is nothing to compare."""
    return exit_code(lambda: compare(parse_arguments(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
