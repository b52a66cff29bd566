rule fetch_model:
    input:
        local=lambda w: PLAN.local_source(w.model),
    output:
        source="resources/models/{model}/source/source.json",
    log:
        "logs/models/{model}/fetch_model.log",
    priority: 300
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        row=lambda w: PLAN.registry.model(w.model),
        tracked=lambda w: tracked(PLAN.registry.model(w.model).source),
    script:
        "../scripts/fetch_model.py"


rule convert_model:
    input:
        code=code("convert_model.py"),
        source="resources/models/{model}/source/source.json",
        anchors=lambda w: PLAN.anchor_file(w.model),
        # Every dataset shares this artifact, so it is checked on calibration scenes that are always there.
        check="resources/datasets/sample/annotations.json",
    output:
        card=f"{ARTIFACT}/card.json",
    log:
        "logs/models/{model}/convert_model-{kind}-{framework}-{precision}.log",
    wildcard_constraints:
        precision="fp32|fp16|int8|int8_dynamic",
    priority: 200
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=lambda w, attempt: 4000 * attempt,
        runtime=lambda w, attempt: 30 * attempt,
    params:
        row=lambda w: PLAN.registry.model(w.model),
        tracked=lambda w: tracked(PLAN.registry.model(w.model).without_words()),
        versions=converter_versions,
        check_folder=PLAN.calibration_folder("sample"),
    script:
        "../scripts/convert_model.py"


rule quantise_model:
    input:
        code=code("convert_model.py"),
        source="resources/models/{model}/source/source.json",
        anchors=lambda w: PLAN.anchor_file(w.model),
        calibration=lambda w: PLAN.calibration_list_of(w.calibration),
    output:
        card=f"{ARTIFACT}-{{calibration}}/card.json",
    log:
        "logs/models/{model}/quantise_model-{kind}-{framework}-{precision}-{calibration}.log",
    wildcard_constraints:
        precision="int8",
        calibration=r"[^-]+-\d+-seed\d+-[0-9a-f]{8}",
    priority: 250
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=lambda w, attempt: 6000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        row=lambda w: PLAN.registry.model(w.model),
        tracked=lambda w: tracked(PLAN.registry.model(w.model).without_words()),
        versions=converter_versions,
    script:
        "../scripts/convert_model.py"


rule batch_model:
    input:
        code=code("batch_model.py"),
        runtime=runtime_code,
        card=f"{ARTIFACT}{{calibrated}}/card.json",
        check="resources/datasets/sample/annotations.json",
    output:
        card=f"{ARTIFACT}-b{{batch}}{{calibrated}}/card.json",
    log:
        "logs/models/{model}/batch_model-{kind}-{framework}-{precision}-b{batch}{calibrated}.log",
    wildcard_constraints:
        batch=r"\d+",
        calibrated=r"(-.+)?",
    priority: 200
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        versions=converter_versions,
        check_folder=PLAN.calibration_folder("sample"),
    script:
        "../scripts/batch_model.py"
