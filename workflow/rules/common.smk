import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

ROOT = Path(
    os.path.relpath(workflow.basedir)
)  # so that a moved project is not a changed one
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from ssdbench.plan.availability import runs_elsewhere, unavailable_reason
from ssdbench.plan.source_files import module_files
from ssdbench.errors import UserError
from ssdbench.files.hashing import fingerprint, sha256_files
from ssdbench.files.reading import read_json
from ssdbench.plan.forecast import forecast
from ssdbench.catalog.frameworks import artifact_of, frameworks
from ssdbench.machine.host import available_cores, package_versions
from ssdbench.jobs.lifetime import clear_stale_lock
from ssdbench.plan.load import load_plan
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.timing_setting import Setting


def check_slots(limit):
    """Timing has the machine to itself only under this limit, and `--resources` replaces the profile's whole."""
    if getattr(limit, "value", limit) != 100:
        raise UserError(
            "The limit of 100 slots from profiles/default is missing, without which jobs run beside a timing. "
            "Add slots=100 to your --resources, or use the profile."
        )


try:
    IN_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    PLAN = load_plan(
        config, ROOT, os.environ, runs_elsewhere if IN_CONDA else unavailable_reason
    )
    if workflow.is_main_process:
        RUN_LOCK = clear_stale_lock(Path(".snakemake"))  # held until this process ends
        forecast(PLAN).check_disk()
        check_slots(workflow.global_resources.get("slots"))
        # Said first: Snakemake calls no handler where there is nothing to be done.
        print("Reports lie at", ", ".join(PLAN.pages), file=sys.stderr)
except UserError as error:
    raise WorkflowError(str(error)) from None

RESULTS = PLAN.config.results_dir
SETTING = PLAN.config.timing.default.name
SETTINGS = [setting.name for setting in PLAN.config.timing.settings]
CELL_WORDS = "{tag}/{model}/{protocol}/{framework}/{precision}"
CELL = f"{RESULTS}/{CELL_WORDS}"
LOGS = "logs" if RESULTS == "results" else f"logs/{RESULTS}"
CELL_LOGS = f"{LOGS}/{CELL_WORDS}"
SHARD = f"{CELL}/shards/{PLAN.config.shard_images}/{{shard}}"
ARTIFACT = "resources/models/{model}/artifacts/{kind}/{framework}/{precision}"
PROTOCOLS = str(ROOT / "workflow/resources/protocols.yaml")
PUBLISHED = str(ROOT / "workflow/resources/published.yaml")
ENVIRONMENT = "../../envs/ssdbench.yaml"


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


def cells_of(tag, file):
    """This file of every cell of a tag that its report takes."""
    cells = PLAN.report_runs([cell for cell in PLAN.supported if cell.dataset == tag])
    return [f"{PLAN.folder(cell)}/{file}" for cell in cells]


def tags_in_shards(wanted):
    """Configured tags whose accuracy runs are split into shards, or those whose are not."""
    return [tag for tag in PLAN.config.tags if PLAN.is_sharded(tag) == wanted]


def shards_of(file):
    """An input function: this file of every shard of a cell."""

    def found(wildcards):
        count = PLAN.image_count(wildcards.tag)
        if count == 0:  # known when the images have been listed
            counted = checkpoints.count_images.get(tag=wildcards.tag).output.counted
            count = read_json(Path(counted))["images"]
        folder = PLAN.shards(PLAN.cell(wildcards))
        return [f"{folder}/{shard}/{file}" for shard in PLAN.shard_numbers(count)]

    return found


def images_for_report(*tags):
    """The image lists that a report takes; with `absent: failed` none, it looks for them itself."""
    return (
        [PLAN.image_list(tag) for tag in tags] if PLAN.config.absent == "error" else []
    )


def given_of(cell):
    """What the record of a cell takes from the configuration."""
    return {
        "cell": dict(vars(cell)),
        "config": PLAN.settings_of(cell),
        "expected": PLAN.expected_fields(cell),
        "reference": PLAN.config.reference,
        "share": PLAN.config.verdict.share,
    }


def logs_of(cell):
    """The log of each step of a cell, where jobs of its rules write it."""
    folder = f"{LOGS}/{cell.path}"
    lists = (
        "fetch_images" if PLAN.dataset(cell.dataset).kind == "coco" else "list_images"
    )
    calibration = PLAN.calibration_of(cell)
    making = "quantise_model" if calibration else "convert_model"
    words = [
        protocol(cell.protocol).graph_kind,
        *artifact_of(cell.framework, cell.precision),
    ]
    artifact = "-".join([making, *words, *([calibration] if calibration else [])])
    return {
        "source": f"logs/models/{cell.model}/fetch_model.log",
        "images": f"{LOGS}/{cell.dataset}/{lists}.log",
        "card": f"logs/models/{cell.model}/{artifact}.log",
        "detect": f"{folder}/{detecting_of(cell)}.log",
        "metrics": f"{folder}/evaluate_detections.log",
        "parts": f"{folder}/evaluate_parts.log",
        "parity": f"{folder}/compare_with_reference.log",
        "diagnosis": f"{folder}/diagnose_cell.log",
        "timing": f"{folder}/combine_rounds.log",
    }


def detecting_of(cell):
    """The job that makes a cell's detections: the first shard that is not there, where there are shards."""
    if not PLAN.is_sharded(cell.dataset):
        return "detect_objects"
    for number in PLAN.shard_numbers(PLAN.image_count(cell.dataset)):
        if not Path(PLAN.shards(cell), str(number), "detect.json").is_file():
            return f"detect_shard-{PLAN.config.shard_images}-{number}"
    return "merge_shards"


def rounds_of(cell):
    """The rounds of a cell's timing, each with its log."""
    return {
        f"{PLAN.folder(cell)}/timing/{SETTING}/round{number}.json": f"{LOGS}/{cell.path}/time_inference-{SETTING}-round{number}.log"
        for number in range(1, PLAN.config.timing.rounds + 1)
    }


def what_is_there(cells):
    """With `absent: failed`, where a report finds what there is of these cells: as params, so that nothing is made."""
    taken = [] if PLAN.config.absent == "error" else cells
    there = [
        {
            "files": PLAN.files_of(cell),
            "logs": logs_of(cell),
            "rounds": rounds_of(cell),
            "given": given_of(cell),
        }
        for cell in taken
    ]
    files = [
        Path(file) for one in there for file in [*one["files"].values(), *one["rounds"]]
    ]
    files += [Path(file) for cell in taken for file in PLAN.sweep(cell)]
    return {"cells": there, "state": fingerprint(files) if there else ""}


def cores_of_pass(wildcards):
    """The cores of an accuracy pass: one for a short one, whose time goes into its start; else all of this machine, or
    four on a cluster, where its profile may set another number with `set-threads`."""
    images = PLAN.image_count(wildcards.tag)
    if PLAN.is_sharded(wildcards.tag):
        images = min(images or PLAN.config.shard_images, PLAN.config.shard_images)
    most = (
        4
        if workflow.remote_exec or not workflow.local_exec
        else max(1, int(available_cores()))
    )
    return 1 if 0 < images < 500 else most


def card_of(wildcards):
    """The card of the artifact that a cell runs."""
    return PLAN.card(PLAN.cell(wildcards))


def timed_card_of(wildcards):
    """The card of the artifact that a cell is timed with at a setting."""
    return PLAN.card(PLAN.cell(wildcards), setting_of(wildcards).batch)


def setting_of(wildcards):
    """The setting that a path names."""
    return Setting.of(wildcards.setting)


def sweep_of(tag):
    """What the cells of a tag say at the other settings than the default one."""
    return PLAN.report_sweep([cell for cell in PLAN.supported if cell.dataset == tag])


def annotations_of(wildcards):
    """The annotations of a tag's dataset, where there are any."""
    return PLAN.annotations(PLAN.dataset(wildcards.tag).name) or []


def metrics_of(wildcards):
    """The cell's metrics, where there is ground truth."""
    return f"{CELL}/metrics.json" if PLAN.has_truth(PLAN.cell(wildcards)) else []


def parts_of(wildcards):
    """AP of the cell on held-out and on seen images, where its model may have seen some."""
    return f"{CELL}/parts.json" if PLAN.held_out_of(PLAN.cell(wildcards)) else []


def parity_of(wildcards):
    """The cell against its reference, where there is one."""
    return f"{CELL}/parity.json" if PLAN.reference_of(PLAN.cell(wildcards)) else []


def replicates_of(wildcards):
    """The cell's bootstrap replicates, where it is judged."""
    return (
        f"{CELL}/replicates.json" if PLAN.judged_against(PLAN.cell(wildcards)) else []
    )


def reference_replicates_of(wildcards):
    """The replicates of the cell that this one is judged against."""
    reference = PLAN.judged_against(PLAN.cell(wildcards))
    return f"{PLAN.folder(reference)}/replicates.json" if reference else []


def of_reference(file):
    """An input function: this file of the cell that the cell is compared with."""

    def found(wildcards):
        reference = PLAN.reference_of(PLAN.cell(wildcards))
        if reference is None or (
            file == "metrics.json" and not PLAN.has_truth(reference)
        ):
            return []
        return f"{PLAN.folder(reference)}/{file}"

    return found


def reference_card_of(wildcards):
    """The card of the artifact that the cell's reference runs."""
    reference = PLAN.reference_of(PLAN.cell(wildcards))
    return PLAN.card(reference) if reference else []


def code(script):
    """The package's modules that a script runs through, as inputs: editing one reruns what used it."""
    return [str(file) for file in module_files(SCRIPTS / script, SCRIPTS / "ssdbench")]


def framework_code(framework):
    """The modules of a framework's runtime, which is found by name and not by import."""
    file = f"ssdbench/runtimes/{frameworks()[framework].module}.py"
    return [str(SCRIPTS / file), *code(file)]


def runtime_code(wildcards):
    """The modules of the cell's runtime."""
    return framework_code(wildcards.framework)


def tracked(row):
    """A registry row as text: Snakemake notices a change in text, but not in an object of ours."""
    return repr(row)


def reference_runtime_code(wildcards):
    """The modules of the runtime that the cell's reference runs in."""
    return runtime_code(PLAN.reference_of(PLAN.cell(wildcards)) or wildcards)


def code_hashes(wildcards):
    """What each step makes a framework's results with now, by step and framework: those of other code are marked."""
    steps = {"detect": "detect_objects.py", "timing": "time_inference.py"}
    names = sorted({cell.framework for cell in PLAN.supported})
    return {
        step: {
            name: sha256_files([*code(script), *framework_code(name)]) for name in names
        }
        for step, script in steps.items()
    }


def memory(base, per_thousand):
    """A job's memory in MB: `base` and so much for every 1000 images of its tag, about twice what was measured on 5000
    and on 100 000; with each attempt as much again. Of how many images it is may not be known before the run.
    """

    def needed(wildcards, attempt):
        images = PLAN.image_count(wildcards.tag) or 20000
        return round(base + per_thousand * images / 1000) * attempt

    return needed


def runtime_versions(wildcards):
    """Versions of the packages that run the cell: others measure it anew."""
    return package_versions(frameworks()[wildcards.framework].packages)


def converter_versions(wildcards):
    """Versions of the packages that make the artifact: others make it anew."""
    return package_versions(frameworks()[wildcards.framework].converters)


def nms_of(wildcards):
    """NMS settings for protocols that use them: a change reruns no cell whose graph brings its own."""
    return (
        dict(PLAN.config.nms)
        if protocol(wildcards.protocol).graph_kind == "heads"
        else {}
    )


def where_reports_lie():
    """The reports that are there, as the last words of a run."""
    pages = [page for page in PLAN.pages if Path(page).exists()]
    return "\n".join(f"Report: {page}" for page in pages) or (
        "No report yet. One over what exists: snakemake report --config absent=failed"
    )


def report_texts():
    """The templates of the page: editing one rebuilds the report and nothing else."""
    return [
        str(file)
        for file in sorted((SCRIPTS / "ssdbench/report/page/templates").iterdir())
    ]


wildcard_constraints:
    tag=one_of(PLAN.config.tags),
    model=one_of(cell.name.model for cell in PLAN.cells),
    protocol=one_of(cell.name.protocol for cell in PLAN.cells),
    framework=one_of(
        name
        for cell in PLAN.cells
        for name in (
            cell.name.framework,
            *artifact_of(cell.name.framework, cell.name.precision)[:1],
        )
    ),
    kind="heads|graph",
    precision="[^/]+",  # of cells and of artifacts, whose int8 names its calibration
    round=r"\d+",
    shard=r"\d+",
