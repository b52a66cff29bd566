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
