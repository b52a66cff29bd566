rule evaluate_detections:
    input:
        detections=PATHS.of_cell("detections.json"),
        detect=PATHS.of_cell("detect.json"),
        images=PATHS.image_list,
        annotations=annotations_of,
    output:
        metrics=report(
            PATHS.of_cell("metrics.json"),
            caption="../report/metrics.rst",
            category="Metrics",
            labels=CELL_LABELS,
        ),
    log:
        PATHS.cell_log("evaluate_detections"),
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(1500, 75),
        runtime=with_each_attempt(60),
    params:
        code=code("evaluate_detections.py"),
    script:
        "../scripts/evaluate_detections.py"


rule draw_replicates:
    input:
        detections=PATHS.of_cell("detections.json"),
        detect=PATHS.of_cell("detect.json"),
        images=PATHS.image_list,
        annotations=annotations_of,
    output:
        replicates=PATHS.of_cell("replicates.json"),
    log:
        PATHS.cell_log("draw_replicates"),
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(2500, 80),
        runtime=with_each_attempt(60),
    params:
        code=code("draw_replicates.py"),
        replicates=PLAN.config.verdict.replicates,
        seed=PLAN.config.verdict.seed,
    script:
        "../scripts/draw_replicates.py"


rule evaluate_parts:
    input:
        ids=held_out_ids_of,
        detections=PATHS.of_cell("detections.json"),
        detect=PATHS.of_cell("detect.json"),
        images=PATHS.image_list,
        annotations=annotations_of,
    output:
        parts=PATHS.of_cell("parts.json"),
    log:
        PATHS.cell_log("evaluate_parts"),
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(2500, 80),
        runtime=with_each_attempt(60),
    params:
        code=code("evaluate_parts.py"),
        name=held_out_name_of,
        replicates=PLAN.config.verdict.replicates,
        seed=PLAN.config.verdict.seed,
    script:
        "../scripts/evaluate_parts.py"


rule compare_with_reference:
    input:
        detections=PATHS.of_cell("detections.json"),
        detect=PATHS.of_cell("detect.json"),
        seen=PATHS.of_cell("seen.npz"),
        metrics=metrics_of,
        reference_detections=of_reference("detections.json"),
        reference_detect=of_reference("detect.json"),
        reference_seen=of_reference("seen.npz"),
        reference_metrics=of_reference("metrics.json"),
        images=PATHS.image_list,
        annotations=annotations_of,
    output:
        parity=PATHS.of_cell("parity.json"),
    log:
        PATHS.cell_log("compare_with_reference"),
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(1500, 75),
        runtime=with_each_attempt(60),
    params:
        code=code("compare_with_reference.py"),
        reference=PLAN.config.reference,
    script:
        "../scripts/compare_with_reference.py"


rule diagnose_cell:
    input:
        artifact=artifact_of_cell,
        reference_artifact=reference_artifact_of,
        parity=parity_of,
        metrics=metrics_of,
        parts=parts_of,
        detections=PATHS.of_cell("detections.json"),
        detect=PATHS.of_cell("detect.json"),
        images=PATHS.image_list,
        folder=made_images_of,
        annotations=annotations_of,
    output:
        diagnosis=PATHS.of_cell("diagnosis.json"),
    log:
        PATHS.cell_log("diagnose_cell"),
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(4000, 30),
        runtime=with_each_attempt(60),
    params:
        code=code_with_reference,
        nms=nms_of,
        expected=expected_of,
        versions=runtime_versions,
    script:
        "../scripts/diagnose_cell.py"
