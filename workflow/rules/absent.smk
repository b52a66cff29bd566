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
        "quantisation": PLAN.quantisation_of(cell),
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
