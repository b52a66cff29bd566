rule evaluate_detections:
    input:
        code=code("evaluate_detections.py"),
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        images=f"{RESULTS}/{{tag}}/images.json",
        annotations=annotations_of,
    output:
        metrics=report(
            f"{CELL}/metrics.json",
            caption="../report/metrics.rst",
            category="Metrics",
            labels={
                "dataset": "{tag}",
                "model": "{model}",
                "protocol": "{protocol}",
                "framework": "{framework}",
                "precision": "{precision}",
            },
        ),
    log:
        f"{CELL_LOGS}/evaluate_detections.log",
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(1500, 75),
        runtime=lambda w, attempt: 60 * attempt,
    script:
        "../scripts/evaluate_detections.py"


rule draw_replicates:
    input:
        code=code("draw_replicates.py"),
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        images=f"{RESULTS}/{{tag}}/images.json",
        annotations=annotations_of,
    output:
        replicates=f"{CELL}/replicates.json",
    log:
        f"{CELL_LOGS}/draw_replicates.log",
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(2500, 80),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        replicates=PLAN.config.verdict.replicates,
        seed=PLAN.config.verdict.seed,
    script:
        "../scripts/draw_replicates.py"


rule evaluate_parts:
    input:
        code=code("evaluate_parts.py"),
        ids=lambda w: str(PLAN.held_out_of(PLAN.cell(w)).ids),
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        images=f"{RESULTS}/{{tag}}/images.json",
        annotations=annotations_of,
    output:
        parts=f"{CELL}/parts.json",
    log:
        f"{CELL_LOGS}/evaluate_parts.log",
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(2500, 80),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        name=lambda w: PLAN.held_out_of(PLAN.cell(w)).name,
        replicates=PLAN.config.verdict.replicates,
        seed=PLAN.config.verdict.seed,
    script:
        "../scripts/evaluate_parts.py"


rule compare_with_reference:
    input:
        code=code("compare_with_reference.py"),
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        seen=f"{CELL}/seen.npz",
        metrics=metrics_of,
        reference_detections=of_reference("detections.json"),
        reference_detect=of_reference("detect.json"),
        reference_seen=of_reference("seen.npz"),
        reference_metrics=of_reference("metrics.json"),
        images=f"{RESULTS}/{{tag}}/images.json",
        annotations=annotations_of,
    output:
        parity=f"{CELL}/parity.json",
    log:
        f"{CELL_LOGS}/compare_with_reference.log",
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(1500, 75),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        reference=PLAN.config.reference,
    script:
        "../scripts/compare_with_reference.py"


rule diagnose_cell:
    input:
        code=code("diagnose_cell.py"),
        runtime=runtime_code,
        reference_runtime=reference_runtime_code,
        card=card_of,
        reference_card=reference_card_of,
        parity=parity_of,
        metrics=metrics_of,
        parts=parts_of,
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        images=f"{RESULTS}/{{tag}}/images.json",
        annotations=annotations_of,
    output:
        diagnosis=f"{CELL}/diagnosis.json",
    log:
        f"{CELL_LOGS}/diagnose_cell.log",
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(4000, 30),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        nms=nms_of,
        expected=lambda w: PLAN.expected_fields(PLAN.cell(w)),
        versions=runtime_versions,
    script:
        "../scripts/diagnose_cell.py"
