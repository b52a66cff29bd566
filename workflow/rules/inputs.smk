# What a job reads: input functions.
#
# Nothing is `ancient`: Snakemake 9.27 does not look at the jobs below one that is due, since they run anyway, but its
# search does not follow ancient inputs. A run of which only a step above such an input was due ended after that step.


def annotations_of(wildcards):
    """The annotations of a tag's dataset, if there are any."""
    return PLAN.annotations(PLAN.dataset(wildcards.tag).name) or []


def annotations_of_dataset(wildcards):
    """The annotations of a dataset, if there are any."""
    return PLAN.annotations(wildcards.dataset) or []


def made_images_of(wildcards):
    """The folder of a tag's images, if a job makes it."""
    is_local = PLAN.dataset(wildcards.tag).kind == "local"
    return [] if is_local else PLAN.image_folder(wildcards.tag)


def made_images_of_dataset(wildcards):
    """The folders that the calibration images of a dataset are drawn from, and kept apart from, if a job makes them."""
    if PLAN.is_local(wildcards.dataset):
        return []
    return [
        fill(pattern, dataset=wildcards.dataset)
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
    return PLAN.made_calibration_folder(wildcards.calibration) or []


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
