rule evaluate_detections:
    input:
        code=code("evaluate_detections.py"),
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        images=f"{RESULTS}/{{tag}}/images.json",
        annotations=lambda w: PLAN.annotations(PLAN.dataset(w.tag).name),
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
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=60,
    script:
        "../scripts/evaluate_detections.py"


rule draw_replicates:
    input:
        code=code("draw_replicates.py"),
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        images=f"{RESULTS}/{{tag}}/images.json",
        annotations=lambda w: PLAN.annotations(PLAN.dataset(w.tag).name),
    output:
        replicates=f"{CELL}/replicates.json",
    log:
        f"{CELL_LOGS}/draw_replicates.log",
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=60,
    params:
        replicates=PLAN.config.verdict.replicates,
        seed=PLAN.config.verdict.seed,
    script:
        "../scripts/draw_replicates.py"
