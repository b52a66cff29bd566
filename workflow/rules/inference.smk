rule detect_objects:
    input:
        code=code("detect_objects.py"),
        runtime=runtime_code,
        card=card_of,
        images=f"{RESULTS}/{{tag}}/images.json",
    output:
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        seen=f"{CELL}/seen.npz",
    log:
        f"{CELL_LOGS}/detect_objects.log",
    wildcard_constraints:
        tag=one_of(tags_in_shards(False)),
    priority: 150
    conda:
        ENVIRONMENT
    threads: cores_of_pass
    resources:
        slots=1,
        mem_mb=lambda w, attempt, threads: (2000 + 1000 * threads) * attempt,
        runtime=lambda w, attempt: 240 * attempt,
    params:
        nms=nms_of,
        versions=runtime_versions,
    script:
        "../scripts/detect_objects.py"


use rule detect_objects as detect_shard with:
    output:
        detections=f"{SHARD}/detections.json",
        detect=f"{SHARD}/detect.json",
        seen=f"{SHARD}/seen.npz",
    log:
        f"{CELL_LOGS}/detect_shard-{PLAN.config.shard_images}-{{shard}}.log",
    wildcard_constraints:
        tag=one_of(tags_in_shards(True)),
    params:
        nms=nms_of,
        versions=runtime_versions,
        images=PLAN.config.shard_images,


rule merge_shards:
    input:
        code=code("merge_shards.py"),
        detections=shards_of("detections.json"),
        detect=shards_of("detect.json"),
        seen=shards_of("seen.npz"),
        images=f"{RESULTS}/{{tag}}/images.json",
    output:
        detections=f"{CELL}/detections.json",
        detect=f"{CELL}/detect.json",
        seen=f"{CELL}/seen.npz",
    log:
        f"{CELL_LOGS}/merge_shards.log",
    wildcard_constraints:
        tag=one_of(tags_in_shards(True)),
    priority: 150
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=lambda w, attempt: 1000 * attempt,
        runtime=60,
    script:
        "../scripts/merge_shards.py"


rule time_inference:
    input:
        code=code("time_inference.py"),
        runtime=runtime_code,
        card=timed_card_of,
        images=f"{RESULTS}/{{tag}}/images.json",
    output:
        round=f"{CELL}/timing/{{setting}}/round{{round}}.json",
    log:
        f"{CELL_LOGS}/time_inference-{{setting}}-round{{round}}.log",
    wildcard_constraints:
        setting=one_of(SETTINGS),
    priority: lambda w: 100 - int(w.round)  # all cells and settings in turn within a round
    conda:
        ENVIRONMENT
    resources:
        slots=100,  # the machine to itself
        cpus_per_task=lambda w: setting_of(w).cores,  # on a cluster
        mem_mb=lambda w, attempt: (
            2800 + 200 * setting_of(w).batch * setting_of(w).streams
        )
        * attempt,
        runtime=lambda w, attempt: (30 + int(PLAN.config.timing.seconds) // 5) * attempt,
    params:
        nms=nms_of,
        versions=runtime_versions,
        seconds=PLAN.config.timing.seconds,
        patience=PLAN.config.timing.patience,
    script:
        "../scripts/time_inference.py"


rule combine_rounds:
    input:
        code=code("combine_rounds.py"),
        rounds=expand(
            f"{CELL}/timing/{{setting}}/round{{round}}.json",
            round=range(1, PLAN.config.timing.rounds + 1),
            setting=SETTING,
            allow_missing=True,
        ),
    output:
        timing=report(
            f"{CELL}/timing.json",
            caption="../report/timing.rst",
            category="Timing",
            labels={
                "dataset": "{tag}",
                "model": "{model}",
                "protocol": "{protocol}",
                "framework": "{framework}",
                "precision": "{precision}",
            },
        ),
    log:
        f"{CELL_LOGS}/combine_rounds.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    script:
        "../scripts/combine_rounds.py"


rule combine_setting:
    input:
        code=code("combine_rounds.py"),
        rounds=expand(
            f"{CELL}/timing/{{setting}}/round{{round}}.json",
            round=range(1, PLAN.config.timing.rounds + 1),
            allow_missing=True,
        ),
    output:
        timing=f"{CELL}/timing/{{setting}}/timing.json",
    log:
        f"{CELL_LOGS}/combine_setting-{{setting}}.log",
    wildcard_constraints:
        setting=one_of(set(SETTINGS) - {SETTING}),
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    script:
        "../scripts/combine_rounds.py"
