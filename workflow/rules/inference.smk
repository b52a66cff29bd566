rule detect_objects:
    input:
        code=code("detect_objects.py"),
        runtime=runtime_code,
        card=card_of,
        images=RESULTS + "/{tag}/images.json",
    output:
        detections=RESULTS + "/" + CELL + "/detections.json",
        detect=RESULTS + "/" + CELL + "/detect.json",
    params:
        protocol=lambda w: protocol(w.protocol),
        nms=nms_of,
    log:
        "logs/" + CELL + "/detect_objects.log",
    conda:
        ENVIRONMENT
    priority: 150
    threads: 1
    resources:
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=240,
    script:
        "../scripts/detect_objects.py"


rule time_inference:
    input:
        code=code("time_inference.py"),
        runtime=runtime_code,
        card=card_of,
        images=RESULTS + "/{tag}/images.json",
    output:
        round=RESULTS + "/" + CELL + "/timing/{setting}/round{round}.json",
    params:
        protocol=lambda w: protocol(w.protocol),
        nms=nms_of,
        threads=PLAN.config.timing.threads,
        seconds=PLAN.config.timing.seconds,
    log:
        "logs/" + CELL + "/time_inference-{setting}-round{round}.log",
    conda:
        ENVIRONMENT
    priority: lambda w: 100 - int(w.round)  # all cells in turn within a round
    resources:
        slots=100,  # the machine to itself
        mem_mb=lambda w, attempt: 3000 * attempt,
        runtime=30,
    wildcard_constraints:
        setting=re.escape(SETTING),
    script:
        "../scripts/time_inference.py"


rule combine_rounds:
    input:
        code=code("combine_rounds.py"),
        rounds=expand(
            RESULTS + "/" + CELL + "/timing/{setting}/round{round}.json",
            round=range(1, PLAN.config.timing.rounds + 1),
            setting=SETTING,
            allow_missing=True,
        ),
    output:
        timing=RESULTS + "/" + CELL + "/timing.json",
    log:
        "logs/" + CELL + "/combine_rounds.log",
    conda:
        ENVIRONMENT
    script:
        "../scripts/combine_rounds.py"
