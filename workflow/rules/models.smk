rule fetch_model:
    output:
        source="resources/models/{model}/source/source.json",
    params:
        row=lambda w: PLAN.registry.model(w.model),
        mirror=PLAN.config.mirror,
    log:
        "logs/models/{model}/fetch_model.log",
    conda:
        ENVIRONMENT
    localrule: True
    priority: 300
    script:
        "../scripts/fetch_model.py"


rule convert_model:
    input:
        code=code("convert_model.py"),
        source="resources/models/{model}/source/source.json",
        # Every dataset shares this artifact, so it is checked on calibration scenes that are always there.
        check="resources/datasets/sample/annotations.json",
    output:
        card=ARTIFACT + "/card.json",
    params:
        row=lambda w: PLAN.registry.model(w.model),
        check_folder=PLAN.calibration_folder("sample"),
    log:
        "logs/models/{model}/convert_model-{kind}-{framework}-{precision}.log",
    conda:
        ENVIRONMENT
    priority: 200
    resources:
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=30,
    wildcard_constraints:
        precision="fp32|fp16|int8",
    script:
        "../scripts/convert_model.py"


rule quantise_model:
    input:
        code=code("convert_model.py"),
        source="resources/models/{model}/source/source.json",
        calibration=lambda w: PLAN.calibration_list_of(w.calibration),
    output:
        card=ARTIFACT + "-{calibration}/card.json",
    params:
        row=lambda w: PLAN.registry.model(w.model),
    log:
        "logs/models/{model}/quantise_model-{kind}-{framework}-{precision}-{calibration}.log",
    conda:
        ENVIRONMENT
    priority: 250
    resources:
        mem_mb=lambda w, attempt: 6000 * attempt,
        runtime=60,
    wildcard_constraints:
        precision="int8",
    script:
        "../scripts/convert_model.py"
