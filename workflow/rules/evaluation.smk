rule evaluate_detections:
    input:
        code=code("evaluate_detections.py"),
        detections=RESULTS + "/" + CELL + "/detections.json",
        detect=RESULTS + "/" + CELL + "/detect.json",
        images=RESULTS + "/{tag}/images.json",
        annotations=lambda w: PLAN.annotations(PLAN.dataset(w.tag).name),
    output:
        metrics=report(
            RESULTS + "/" + CELL + "/metrics.json",
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
        "logs/" + CELL + "/evaluate_detections.log",
    conda:
        ENVIRONMENT
    priority: 150
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=60,
    script:
        "../scripts/evaluate_detections.py"
