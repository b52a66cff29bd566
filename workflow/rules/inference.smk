rule detect_objects:
    input:
        artifact=artifact_of_cell,
        images=PATHS.image_list,
        folder=made_images_of,
    output:
        detections=PATHS.of_cell("detections.json"),
        detect=PATHS.of_cell("detect.json"),
        seen=PATHS.of_cell("seen.npz"),
    log:
        PATHS.cell_log("detect_objects"),
    wildcard_constraints:
        tag=one_of(tags_in_shards(False)),
    priority: 150
    conda:
        ENVIRONMENT
    threads: cores_of_pass
    resources:
        slots=1,
        mem_mb=memory_of_pass,
        runtime=with_each_attempt(240),
    params:
        code=code_with_runtime("detect_objects.py"),
        nms=nms_of,
        versions=runtime_versions,
    script:
        "../scripts/detect_objects.py"


use rule detect_objects as detect_shard with:
    output:
        detections=PATHS.of_shard("detections.json"),
        detect=PATHS.of_shard("detect.json"),
        seen=PATHS.of_shard("seen.npz"),
    log:
        PATHS.shard_log,
    wildcard_constraints:
        tag=one_of(tags_in_shards(True)),
    params:
        nms=nms_of,
        code=code_with_runtime("detect_objects.py"),
        versions=runtime_versions,
        images=PLAN.config.shard_images,


rule merge_shards:
    input:
        detections=shards_of("detections.json"),
        detect=shards_of("detect.json"),
        seen=shards_of("seen.npz"),
        images=PATHS.image_list,
    output:
        detections=PATHS.of_cell("detections.json"),
        detect=PATHS.of_cell("detect.json"),
        seen=PATHS.of_cell("seen.npz"),
    log:
        PATHS.cell_log("merge_shards"),
    wildcard_constraints:
        tag=one_of(tags_in_shards(True)),
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=with_each_attempt(1000),
        runtime=60,
    params:
        code=code("merge_shards.py"),
    script:
        "../scripts/merge_shards.py"


rule time_inference:
    input:
        artifacts=timed_artifacts_of,
        earlier=earlier_rounds_of,
        images=PATHS.image_list,
        folder=made_images_of,
    output:
        round=PATHS.round,
    log:
        PATHS.round_log,
    wildcard_constraints:
        setting=one_of(SETTINGS),
    priority: rounds_in_turn
    conda:
        ENVIRONMENT
    resources:
        slots=100,  # the machine to itself
        cpus_per_task=cores_of_timing,  # on a cluster
        mem_mb=memory_of_timing,
        runtime=minutes_of_timing,
    params:
        cells=names_of_timed_cells,
        code=code_of_timing,
        versions=versions_of_timing,
        seconds=PLAN.config.timing.seconds,
        interval_width=PLAN.config.timing.interval_width,
    script:
        "../scripts/time_inference.py"


# One rule for each table and setting, because only these know the cells that they write.
for table in tables(PLAN):
    for setting in settings_of(PLAN, table):

        rule:
            name:
                f"combine_rounds-{table.tag}-{table.model}-{table.protocol}-{setting.name}"
            input:
                rounds=rounds(PLAN, table, setting),
            output:
                [
                    timing_output(cell, setting)
                    for cell in timed_cells(PLAN, table, setting)
                ],
            log:
                fill(
                    PATHS.table_log("combine_rounds-{setting}"),
                    **vars(table),
                    setting=setting.name,
                ),
            localrule: True
            conda:
                ENVIRONMENT
            resources:
                slots=1,
            params:
                code=code("combine_rounds.py"),
                cells=[timed_name(cell) for cell in timed_cells(PLAN, table, setting)],
                reference="/".join(PLAN.config.reference),
                is_compared=is_compared(PLAN, table),
                interval_width=PLAN.config.timing.interval_width,
            script:
                "../scripts/combine_rounds.py"
