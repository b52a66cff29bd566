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


# What a job reads: input functions.


def annotations_of(wildcards):
    """The annotations of a tag's dataset, if there are any."""
    return PLAN.annotations(PLAN.dataset(wildcards.tag).name) or []


def annotations_of_dataset(wildcards):
    """The annotations of a dataset, if there are any."""
    return PLAN.annotations(wildcards.dataset) or []


def made_images_of(wildcards):
    """The folder of a tag's images, if a job makes it. Their list has the hash of each, so its age does not count."""
    is_local = PLAN.dataset(wildcards.tag).kind == "local"
    return [] if is_local else ancient(PLAN.image_folder(wildcards.tag))


def made_images_of_dataset(wildcards):
    """The folders that the calibration images of a dataset are drawn from, and kept apart from, if a job makes them."""
    if PLAN.is_local(wildcards.dataset):
        return []
    return [
        ancient(fill(pattern, dataset=wildcards.dataset))
        for pattern in (paths.IMAGES, paths.CALIBRATION)
    ]


def local_source_of(wildcards):
    """The files of a model that lies on this machine."""
    return PLAN.local_source(wildcards.model)


def anchors_of(wildcards):
    """The file of a model's anchors, if its row names one."""
    return PLAN.anchor_file(wildcards.model)


def calibration_list_of(wildcards):
    """The list of the calibration images with that id."""
    return PLAN.calibration_list(wildcards.calibration)


def calibration_images_of(wildcards):
    """The folder of those images, if a job makes it."""
    folder = PLAN.made_calibration_folder(wildcards.calibration)
    return ancient(folder) if folder else []


def artifact_of_cell(wildcards):
    """The folder of the artifact that a cell runs."""
    return PLAN.artifact(PLAN.cell(wildcards))


def timed_cells_of(wildcards):
    """The cells of a table that are timed at a setting, the reference first."""
    return timed_cells(PLAN, table_of(wildcards), setting_of(wildcards))


def timed_artifacts_of(wildcards):
    """The folders of the artifacts that the cells of a table are timed with at a setting, in their order."""
    batch = setting_of(wildcards).batch
    return [PLAN.artifact(cell, batch) for cell in timed_cells_of(wildcards)]


def earlier_rounds_of(wildcards):
    """The rounds before one: together with them, it may know enough."""
    files = rounds(PLAN, table_of(wildcards), setting_of(wildcards))
    return files[: int(wildcards.round) - 1]


def metrics_of(wildcards):
    """The cell's metrics, if there is ground truth."""
    has_truth = PLAN.has_truth(PLAN.cell(wildcards))
    return PATHS.of_cell("metrics.json") if has_truth else []


def parts_of(wildcards):
    """AP of the cell on held-out and on seen images, if its model may have seen some."""
    may_have_seen = PLAN.held_out_of(PLAN.cell(wildcards))
    return PATHS.of_cell("parts.json") if may_have_seen else []


def held_out_ids_of(wildcards):
    """The file of the ids of the images that the cell's model has not seen."""
    return str(PLAN.held_out_of(PLAN.cell(wildcards)).ids)


def parity_of(wildcards):
    """The cell against its reference, if it has one."""
    has_reference = PLAN.reference_of(PLAN.cell(wildcards))
    return PATHS.of_cell("parity.json") if has_reference else []


def replicates_of(wildcards):
    """The cell's bootstrap replicates, if it is judged."""
    is_judged = PLAN.judged_against(PLAN.cell(wildcards))
    return PATHS.of_cell("replicates.json") if is_judged else []


def reference_replicates_of(wildcards):
    """The replicates of the cell that this one is judged against."""
    reference = PLAN.judged_against(PLAN.cell(wildcards))
    return PLAN.file(reference, "replicates.json") if reference else []


def of_reference(file):
    """An input function: this file of the cell that the cell is compared with."""

    def found(wildcards):
        reference = PLAN.reference_of(PLAN.cell(wildcards))
        if reference is None or (
            file == "metrics.json" and not PLAN.has_truth(reference)
        ):
            return []
        return PLAN.file(reference, file)

    return found


def reference_artifact_of(wildcards):
    """The artifact that the cell's reference runs."""
    reference = PLAN.reference_of(PLAN.cell(wildcards))
    return PLAN.artifact(reference) if reference else []


def shards_of(file):
    """An input function: this file of every shard of a cell."""

    def found(wildcards):
        count = PLAN.image_count(wildcards.tag)
        if count == 0:  # known when the images have been listed
            counted = checkpoints.count_images.get(tag=wildcards.tag).output.counted
            count = read_json(Path(counted))["images"]
        cell = PLAN.cell(wildcards)
        return [
            fill(PATHS.of_shard(file), cell, shard=shard)
            for shard in PLAN.shard_numbers(count)
        ]

    return found


def cells_of(file):
    """An input function: this file of every cell of a tag that its report takes."""

    def found(wildcards):
        cells = [cell for cell in PLAN.supported if cell.dataset == wildcards.tag]
        return [PLAN.file(cell, file) for cell in targets.report_runs(PLAN, cells)]

    return found


def sweep_of(wildcards):
    """What the cells of a tag say at the other settings than the default one."""
    cells = [cell for cell in PLAN.supported if cell.dataset == wildcards.tag]
    return targets.report_sweep(PLAN, cells)


def images_for_report(*tags):
    """The image lists that a report takes; with `absent: failed` none, it looks for them itself."""
    if PLAN.config.absent == "failed":
        return []
    return [PLAN.image_list(tag) for tag in tags]


def images_of_report(wildcards):
    """The image list that a tag's report takes."""
    return images_for_report(wildcards.tag)


def report_texts():
    """The templates of the page: editing one rebuilds the report and nothing else."""
    folder = SCRIPTS / "ssdbench/report/page/templates"
    return [str(file) for file in sorted(folder.iterdir())]


# What a job is told: params. They are plain data, in which Snakemake notices every change.


def code(script):
    """A hash of the modules that a script runs through: editing one reruns what used it."""
    return code_hash((SCRIPTS / script,), SCRIPTS / "ssdbench")


def code_with(script, framework):
    """The same with the modules of a framework's runtime, which are found by name and not by import."""
    runtime = f"ssdbench/runtimes/{frameworks()[framework].module}.py"
    return code_hash((SCRIPTS / script, SCRIPTS / runtime), SCRIPTS / "ssdbench")


def code_with_runtime(script):
    """A param: `code_with` of the cell's framework."""

    def found(wildcards):
        return code_with(script, wildcards.framework)

    return found


def code_with_reference(wildcards):
    """The code of a diagnosis, which runs the cell or its reference."""
    reference = PLAN.reference_of(PLAN.cell(wildcards)) or wildcards
    names = (wildcards.framework, reference.framework)
    return [code_with("diagnose_cell.py", name) for name in names]


def code_hashes(wildcards):
    """What each step makes a framework's results with now, by step and framework: those of other code are marked."""
    steps = {"detect": "detect_objects.py", "timing": "time_inference.py"}
    names = sorted({cell.framework for cell in PLAN.supported})
    return {
        step: {name: code_with(script, name) for name in names}
        for step, script in steps.items()
    }


def timed_name(cell):
    """The name of a cell within its table, as rounds have it."""
    return f"{cell.framework}/{cell.precision}"


def names_of_timed_cells(wildcards):
    """The names of the cells of a round, the reference first."""
    return [timed_name(cell) for cell in timed_cells_of(wildcards)]


def code_of_timing(wildcards):
    """The code of a round, by framework."""
    names = sorted({cell.framework for cell in timed_cells_of(wildcards)})
    return {name: code_with("time_inference.py", name) for name in names}


def versions_of_timing(wildcards):
    """Versions of the packages that run the cells of a round, by framework: others measure them anew."""
    names = sorted({cell.framework for cell in timed_cells_of(wildcards)})
    return {
        name: {} if IN_CONDA else package_versions(frameworks()[name].packages)
        for name in names
    }


def model_row(wildcards):
    """The registry row of a model, without what only the report says."""
    return as_plain(PLAN.registry.model(wildcards.model).without_words())


def source_of_model(wildcards):
    """Where a model comes from."""
    return as_plain(PLAN.registry.model(wildcards.model).source)


def format_of_model(wildcards):
    """The format in which a model is published."""
    return PLAN.registry.model(wildcards.model).format


def tag_of(wildcards):
    """A dataset tag."""
    return as_plain(PLAN.config.tags[wildcards.tag])


def ids_of(wildcards):
    """The image ids of a tag that is given by a file of ids."""
    return PLAN.config.id_files.get(PLAN.config.tags[wildcards.tag].ids, ())


def annotation_source_of(wildcards):
    """Where the annotations of a dataset come from."""
    return as_plain(PLAN.registry.dataset(wildcards.dataset).annotations)


def image_source_of(wildcards):
    """Where the images of a tag come from."""
    return as_plain(PLAN.dataset(wildcards.tag).images)


def calibration_source_of(wildcards):
    """Where the calibration images of a dataset come from."""
    return as_plain(PLAN.registry.dataset(wildcards.dataset).calibration)


def image_folder_of(wildcards):
    """The folder of a tag's images."""
    return PLAN.image_folder(wildcards.tag)


def orientation_of(wildcards):
    """Which pixels the annotations of a tag mean, empty where that is to be found out."""
    return PLAN.orientation(PLAN.dataset(wildcards.tag).name)


def orientation_of_dataset(wildcards):
    """Which pixels the annotations of a dataset mean, empty where that is to be found out."""
    return PLAN.orientation(wildcards.dataset)


def local_state_of(wildcards):
    """For `local`, a hash that changes with the files of its image folder."""
    return PLAN.folder_state(PLAN.dataset(wildcards.tag).name)


def calibration_folder_of(wildcards):
    """The folder that calibration images are chosen from."""
    return PLAN.calibration_folder(wildcards.dataset)


def evaluation_folder_of(wildcards):
    """The folder of the images that calibration keeps away from."""
    if PLAN.is_local(wildcards.dataset):
        return str(PLAN.config.local.images)
    return fill(paths.IMAGES, dataset=wildcards.dataset)


def local_state_of_dataset(wildcards):
    """For `local`, a hash that changes with the files of its image folder."""
    return PLAN.folder_state(wildcards.dataset)


def runtime_versions(wildcards):
    """Versions of the packages that run the cell: others measure it anew. In conda, its environment says so."""
    return (
        {} if IN_CONDA else package_versions(frameworks()[wildcards.framework].packages)
    )


def converter_versions(wildcards):
    """Versions of the packages that make the artifact: others make it anew."""
    return (
        {}
        if IN_CONDA
        else package_versions(frameworks()[wildcards.framework].converters)
    )


def nms_of(wildcards):
    """NMS settings for protocols that use them: a change reruns no cell whose graph brings its own."""
    uses_ours = protocol(wildcards.protocol).graph_kind == "heads"
    return dict(PLAN.config.nms) if uses_ours else {}


def expected_of(wildcards):
    """The AP that is expected of a cell, if the registry or a published row says."""
    return PLAN.expected_fields(PLAN.cell(wildcards))


def held_out_name_of(wildcards):
    """What the images are called that the cell's model has not seen."""
    return PLAN.held_out_of(PLAN.cell(wildcards)).name


def run_context_of(wildcards):
    """What the record of a cell takes from the configuration."""
    return run_context(PLAN, PLAN.cell(wildcards))


def report_context_of(wildcards):
    """What the report of a tag is told."""
    return report_context(PLAN, wildcards.tag)


# With `absent: failed`: what a report over what exists looks for. As params, so that nothing is made.


def there_of_tag(wildcards):
    """What there is of the cells of a tag."""
    return what_is_there(
        [cell for cell in PLAN.supported if cell.dataset == wildcards.tag]
    )


def what_is_there(cells):
    """Where a report finds what there is of these cells; nothing unless it is a report over what exists."""
    taken = [] if PLAN.config.absent == "error" else cells
    there = [
        {
            "files": targets.cell_files(PLAN, cell),
            "logs": logs_of(cell),
            "rounds": rounds_of(cell),
            "given": run_context(PLAN, cell),
        }
        for cell in taken
    ]
    files = [
        Path(file) for one in there for file in [*one["files"].values(), *one["rounds"]]
    ]
    files += [Path(file) for cell in taken for file in targets.sweep(PLAN, cell)]
    return {"cells": there, "state": fingerprint(files) if there else ""}


def logs_of(cell):
    """The log of each step of a cell, where jobs of its rules write it."""
    is_coco = PLAN.dataset(cell.dataset).kind == "coco"
    framework, precision = PLAN.artifact_of(cell)
    calibration = PLAN.calibration_of(cell)
    converting = {
        "kind": protocol(cell.protocol).graph_kind,
        "framework": framework,
        "precision": precision,
        "calibration": calibration,
    }
    steps = {
        "metrics": "evaluate_detections",
        "parts": "evaluate_parts",
        "parity": "compare_with_reference",
        "diagnosis": "diagnose_cell",
    }
    table = {"tag": cell.dataset, "model": cell.model, "protocol": cell.protocol}
    return {
        "source": fill(paths.FETCH_LOG, model=cell.model),
        "images": fill(
            PATHS.tag_log("fetch_images" if is_coco else "list_images"),
            tag=cell.dataset,
        ),
        "card": fill(
            paths.QUANTISE_LOG if calibration else paths.CONVERT_LOG,
            model=cell.model,
            **converting,
        ),
        "detect": detecting_log_of(cell),
        "timing": fill(
            PATHS.table_log("combine_rounds-{setting}"), **table, setting=SETTING
        ),
        **{part: fill(PATHS.cell_log(step), cell) for part, step in steps.items()},
    }


def detecting_log_of(cell):
    """The log of the job that makes a cell's detections: of several shards, of the first that is not there."""
    if not PLAN.is_sharded(cell.dataset):
        return fill(PATHS.cell_log("detect_objects"), cell)
    for number in PLAN.shard_numbers(PLAN.image_count(cell.dataset)):
        if not Path(fill(PATHS.of_shard("detect.json"), cell, shard=number)).is_file():
            return fill(PATHS.shard_log, cell, shard=number)
    return fill(PATHS.cell_log("merge_shards"), cell)


def rounds_of(cell):
    """The rounds of a cell's timing, each with its log."""
    words = {
        "tag": cell.dataset,
        "model": cell.model,
        "protocol": cell.protocol,
        "setting": SETTING,
    }
    return {
        fill(PATHS.round, **words, round=number): fill(
            PATHS.round_log, **words, round=number
        )
        for number in range(1, PLAN.config.timing.rounds + 1)
    }


# What a job takes: resources.


def cores_of_pass(wildcards):
    """The cores of an accuracy pass: one for a short one, whose time goes into its start; else all of this machine, or
    four on a cluster, where its profile may set another number with `set-threads`."""
    images = PLAN.image_count(wildcards.tag)
    if PLAN.is_sharded(wildcards.tag):
        images = min(images or PLAN.config.shard_images, PLAN.config.shard_images)
    if 0 < images < 500:
        return 1
    if snakemake_parts.runs_on_this_machine(workflow):
        return max(1, int(available_cores()))
    return 4


def with_each_attempt(amount):
    """A resource: this amount, and as much again with each further attempt."""

    def needed(wildcards, attempt):
        return amount * attempt

    return needed


def memory(base, per_thousand):
    """A job's memory in MB: `base` and this much for every 1000 images of its tag, about twice what was measured on
    5000 and on 100 000; with each attempt as much again. The number of images may not be known before the run.
    """

    def needed(wildcards, attempt):
        images = PLAN.image_count(wildcards.tag) or 20000
        return round(base + per_thousand * images / 1000) * attempt

    return needed


def memory_of_conversion(wildcards, input, attempt):
    """The memory of a conversion, in MB, which grows with the model."""
    return job_memory.of_conversion(job_memory.source_mb(Path(input.source))) * attempt


def memory_of_quantisation(wildcards, input, attempt):
    """The memory of a conversion to int8, in MB, which grows with the model."""
    return (
        job_memory.of_quantisation(job_memory.source_mb(Path(input.source))) * attempt
    )


def memory_of_batching(wildcards, input, attempt):
    """The memory to make a batch's artifact, in MB, which grows with the model."""
    return (
        job_memory.of_batching(job_memory.artifact_mb(Path(input.artifact))) * attempt
    )


def memory_of_pass(wildcards, input, attempt, threads):
    """The memory of an accuracy pass, in MB, which grows with its streams and the model."""
    return (
        job_memory.of_pass(job_memory.artifact_mb(Path(input.artifact)), threads)
        * attempt
    )


def setting_of(wildcards):
    """The setting that a path names."""
    return Setting.of(wildcards.setting)


def cores_of_timing(wildcards):
    """The cores of a timing, for a cluster."""
    return setting_of(wildcards).cores


def memory_of_timing(wildcards, input, attempt):
    """The memory of a round of a table's timing, in MB, which grows with its cells, their models and the setting."""
    setting = setting_of(wildcards)
    sizes = [job_memory.artifact_mb(Path(folder)) for folder in input.artifacts]
    return job_memory.of_table(sizes, setting.batch, setting.streams) * attempt


def minutes_of_timing(wildcards, attempt):
    """The longest that a round may take, in minutes."""
    cells = len(timed_cells_of(wildcards))
    return (30 + cells + int(PLAN.config.timing.seconds * cells) // 20) * attempt


def rounds_in_turn(wildcards):
    """The priority of a round: all tables and settings in turn within a round."""
    return 100 - int(wildcards.round)


def timing_output(cell, setting):
    """What the rounds of a setting say of a cell: a file that Snakemake's own report shows if it is the default's."""
    file = timing_file(PLAN, cell, setting)
    if setting.name != SETTING:
        return file
    return report(
        file,
        caption="../report/timing.rst",
        category="Timing",
        labels={word: fill(label, cell) for word, label in CELL_LABELS.items()},
    )


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
