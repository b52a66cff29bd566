rule fetch_model:
    input:
        local=local_source_of,
    output:
        source=directory(paths.SOURCE),
    log:
        paths.FETCH_LOG,
    priority: 300
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        format=format_of_model,
        source=source_of_model,
    script:
        "../scripts/fetch_model.py"


rule convert_model:
    input:
        source=paths.SOURCE,
        anchors=anchors_of,
        # Every dataset shares this artifact, so it is checked on calibration scenes that are always there.
        check=SAMPLE_CALIBRATION,
    output:
        artifact=directory(paths.ARTIFACT),
    log:
        paths.CONVERT_LOG,
    wildcard_constraints:
        precision="fp32|fp16|int8|int8_dynamic",
    priority: 200
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory_of_conversion,
        runtime=with_each_attempt(30),
    params:
        row=model_row,
        code=code("convert_model.py"),
        versions=converter_versions,
    script:
        "../scripts/convert_model.py"


rule quantise_model:
    input:
        source=paths.SOURCE,
        anchors=anchors_of,
        calibration=calibration_list_of,
        images=calibration_images_of,
    output:
        artifact=directory(paths.INT8_ARTIFACT),
    log:
        paths.QUANTISE_LOG,
    wildcard_constraints:
        precision="int8|int8_mixed",
        calibration=r"[^-]+-\d+-seed\d+-[0-9a-f]{8}",
        quantisation=r"(-[78]bit)?(-share[0-9.e-]+)?",
    priority: 250
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory_of_quantisation,
        runtime=with_each_attempt(60),
    params:
        row=model_row,
        weight_bits=weight_bits_of,
        share=share_of,
        code=code("convert_model.py"),
        versions=converter_versions,
    script:
        "../scripts/convert_model.py"


rule batch_model:
    input:
        artifact=paths.SINGLE_ARTIFACT,
        check=SAMPLE_CALIBRATION,
    output:
        artifact=directory(paths.BATCH_ARTIFACT),
    log:
        paths.BATCH_LOG,
    wildcard_constraints:
        batch=r"\d+",
        calibrated=r"(-.+)?",
    priority: 200
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory_of_batching,
        runtime=with_each_attempt(20),
    params:
        code=code_with_runtime("batch_model.py"),
        versions=converter_versions,
    script:
        "../scripts/batch_model.py"
