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


def weight_bits_of(wildcards):
    """Bits of the weights of an int8 artifact: 7 or 8 where its path says so, else `auto`."""
    fixed = re.search(r"-([78])bit", wildcards.quantisation)
    return int(fixed[1]) if fixed else "auto"


def share_of(wildcards):
    """The share of fp32's AP that an int8_mixed artifact is to keep, from its path; none for others."""
    _, _, share = wildcards.quantisation.partition("-share")
    return float(share) if share else None


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
