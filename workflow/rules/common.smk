import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# From this file's own place, so that the workflow can be used as a module from another folder; relative, so that a
# moved project is not a changed one.
ROOT = Path(os.path.relpath(Path(str(workflow.current_basedir)) / ".." / ".."))
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.plain import as_plain
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.timing_setting import Setting
from ssdbench.errors import UserError
from ssdbench.files.hashing import fingerprint
from ssdbench.files.reading import read_json
from ssdbench.jobs.run_lock import hold_run_lock
from ssdbench.machine.host import available_cores, package_versions
from ssdbench.plan import job_memory, paths, snakemake_parts, targets
from ssdbench.plan.availability import runs_elsewhere, unavailable_reason
from ssdbench.plan.class_check import check_local_classes
from ssdbench.plan.forecast import forecast
from ssdbench.plan.load import load_plan
from ssdbench.plan.paths import fill
from ssdbench.plan.report_context import (
    published_context,
    report_context,
    run_context,
)
from ssdbench.plan.source_files import code_hash
from ssdbench.plan.timing_tables import (
    is_compared,
    rounds,
    settings_of,
    table_of,
    tables,
    timed_cells,
    timing_file,
)
from ssdbench.report.summary.terminal_table import terminal_table

IN_CONDA = snakemake_parts.uses_conda(workflow)
try:
    PLAN = load_plan(
        config, ROOT, os.environ, runs_elsewhere if IN_CONDA else unavailable_reason
    )
except UserError as error:
    raise WorkflowError(str(error)) from None

PATHS = PLAN.paths
SETTING = PLAN.config.timing.default.name
SETTINGS = [setting.name for setting in PLAN.config.timing.settings]
PROTOCOLS = str(ROOT / "workflow/resources/protocols.yaml")
PUBLISHED = str(ROOT / "workflow/resources/published.yaml")
SAMPLE_CALIBRATION = fill(paths.CALIBRATION, dataset="sample")
ENVIRONMENT = "../../envs/ssdbench.yaml"
RUN_LOCK = Path(".snakemake/run.lock")  # written when jobs begin


# Before the first job.


def prepare_run():
    """What must hold before jobs start. A dry run does without it."""
    try:
        check_python_path()
        hold_run_lock(RUN_LOCK.parent)
        forecast(PLAN).check_disk()
        if not IN_CONDA:  # there, only jobs have the packages that read annotations
            check_local_classes(PLAN)
        if snakemake_parts.resource_limit(workflow, "slots") != 100:
            raise UserError(
                "The limit of 100 slots from profiles/default is missing. Without it, other jobs run beside a timing. "
                "Add slots=100 to your --resources, or use the profile."
            )
    except UserError as error:
        raise WorkflowError(str(error)) from None


def check_python_path():
    """Snakemake hands the path of Python to a shell as it is."""
    if not IN_CONDA and shlex.quote(sys.executable) != sys.executable:
        raise UserError(
            f"Snakemake cannot start jobs with the Python at {sys.executable!r}: its path has a space or another "
            "character that a shell reads. Move the project to a folder whose path has none."
        )


def last_words():
    """The last words of a run: the results that it made as tables, and where the reports lie."""
    begun = RUN_LOCK.stat().st_mtime
    summaries = [Path(file) for file in targets.summaries(PLAN)]
    made = [
        file for file in summaries if file.is_file() and file.stat().st_mtime > begun
    ]
    tables = "\n\n".join(terminal_table(read_json(file)) for file in made)
    return "\n\n".join(filter(None, [tables, where_reports_lie()]))


def where_reports_lie():
    """The reports that are there."""
    pages = [page for page in targets.pages(PLAN) if Path(page).exists()]
    return "\n".join(f"Report: {page}" for page in pages) or (
        "No report yet. For one over what exists: snakemake report --config absent=failed"
    )


# Wildcards.


def one_of(values):
    """A wildcard constraint: one of the values, so that a typo is "no rule to produce" and not a doomed job."""
    return "|".join(map(re.escape, sorted(set(values)))) or "(?!)"


def datasets_of(*kinds):
    """Names of the configured datasets of these kinds."""
    names = {tag.name for tag in PLAN.config.tags.values()} | {"sample"}
    return [name for name in names if PLAN.registry.dataset(name).kind in kinds]


def tags_of(*kinds):
    """Configured tags of datasets of these kinds."""
    return [tag for tag in PLAN.config.tags if PLAN.dataset(tag).kind in kinds]


def tags_in_shards(wanted):
    """Configured tags whose accuracy runs are split into shards, or those whose are not."""
    return [tag for tag in PLAN.config.tags if PLAN.is_sharded(tag) == wanted]


# Words that Snakemake's own report shows beside a file.
CELL_LABELS = {
    "dataset": "{tag}",
    "model": "{model}",
    "protocol": "{protocol}",
    "framework": "{framework}",
    "precision": "{precision}",
}


wildcard_constraints:
    tag=one_of(PLAN.config.tags),
    model=one_of(cell.name.model for cell in PLAN.cells),
    protocol=one_of(cell.name.protocol for cell in PLAN.cells),
    framework=one_of(
        name
        for cell in PLAN.cells
        for name in (
            cell.name.framework,
            *PLAN.artifact_of(cell.name)[:1],
        )
    ),
    kind="heads|graph",
    precision="[^/]+",  # of cells and of artifacts, whose int8 names its calibration
    round=r"\d+",
    shard=r"\d+",
