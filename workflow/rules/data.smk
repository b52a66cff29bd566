rule compose_sample:
    input:
        code=code("compose_sample.py"),
        photos=str(ROOT / "workflow/resources/sample_photos.yaml"),
    output:
        annotations="resources/datasets/sample/annotations.json",
    log:
        "logs/compose_sample.log",
    priority: 300
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    script:
        "../scripts/compose_sample.py"


rule download_annotations:
    output:
        annotations="resources/datasets/{dataset}/annotations.json",
    log:
        "logs/{dataset}/download_annotations.log",
    wildcard_constraints:
        dataset=one_of(datasets_of("coco")),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        source=lambda w: PLAN.registry.dataset(w.dataset).annotations,
        tracked=lambda w: tracked(PLAN.registry.dataset(w.dataset).annotations),
    script:
        "../scripts/download_annotations.py"


rule fetch_images:
    input:
        annotations=annotations_of,
    output:
        images=f"{RESULTS}/{{tag}}/images.json",
    log:
        f"{LOGS}/{{tag}}/fetch_images.log",
    wildcard_constraints:
        tag=one_of(tags_of("coco")),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        tag=lambda w: PLAN.config.tags[w.tag],
        ids=lambda w: PLAN.config.id_files.get(PLAN.config.tags[w.tag].ids, ()),
        source=lambda w: PLAN.dataset(w.tag).images,
        tracked=lambda w: tracked(PLAN.dataset(w.tag).images),
    script:
        "../scripts/fetch_images.py"


rule list_images:
    input:
        code=code("list_images.py"),
        annotations=annotations_of,
    output:
        images=f"{RESULTS}/{{tag}}/images.json",
    log:
        f"{LOGS}/{{tag}}/list_images.log",
    wildcard_constraints:
        tag=one_of(tags_of("sample", "local")),
    priority: 300
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        tag=lambda w: PLAN.config.tags[w.tag],
        ids=lambda w: PLAN.config.id_files.get(PLAN.config.tags[w.tag].ids, ()),
        folder=lambda w: PLAN.image_folder(PLAN.dataset(w.tag).name),
        state=lambda w: PLAN.folder_state(PLAN.dataset(w.tag).name),
    script:
        "../scripts/list_images.py"


checkpoint count_images:
    input:
        images=f"{RESULTS}/{{tag}}/images.json",
    output:
        counted=f"{RESULTS}/{{tag}}/image_count.json",
    log:
        f"{LOGS}/{{tag}}/count_images.log",
    priority: 300
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    script:
        "../scripts/count_images.py"


rule fetch_calibration:
    input:
        annotations="resources/datasets/{dataset}/annotations.json",
    output:
        images="resources/datasets/{dataset}/calibrations/{calibration}.json",
    log:
        "logs/{dataset}/fetch_calibration-{calibration}.log",
    wildcard_constraints:
        dataset=one_of(datasets_of("coco")),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        source=lambda w: PLAN.registry.dataset(w.dataset).calibration,
        tracked=lambda w: tracked(PLAN.registry.dataset(w.dataset).calibration),
        number=PLAN.config.calibration_images,
        seed=PLAN.config.calibration_seed,
    script:
        "../scripts/fetch_calibration.py"


rule choose_calibration:
    input:
        code=code("choose_calibration.py"),
        annotations=lambda w: PLAN.annotations(w.dataset) or [],
    output:
        images="resources/datasets/{dataset}/calibrations/{calibration}.json",
    log:
        "logs/{dataset}/choose_calibration-{calibration}.log",
    wildcard_constraints:
        dataset=one_of(datasets_of("sample", "local")),
    priority: 300
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        folder=lambda w: PLAN.calibration_folder(w.dataset),
        evaluation=lambda w: PLAN.image_folder(w.dataset),
        state=lambda w: PLAN.folder_state(w.dataset),
        number=PLAN.config.calibration_images,
        seed=PLAN.config.calibration_seed,
    script:
        "../scripts/choose_calibration.py"
