rule compose_sample:
    input:
        code=code("compose_sample.py"),
        photos=str(ROOT / "workflow/resources/sample_photos.yaml"),
    output:
        annotations="resources/datasets/sample/annotations.json",
    log:
        "logs/compose_sample.log",
    conda:
        ENVIRONMENT
    priority: 300
    script:
        "../scripts/compose_sample.py"


rule download_annotations:
    output:
        annotations="resources/datasets/{dataset}/annotations.json",
    params:
        source=lambda w: PLAN.registry.dataset(w.dataset).annotations,
        mirror=PLAN.config.mirror,
    log:
        "logs/{dataset}/download_annotations.log",
    conda:
        ENVIRONMENT
    localrule: True
    wildcard_constraints:
        dataset=one_of(datasets_of("coco")),
    script:
        "../scripts/download_annotations.py"


rule fetch_images:
    input:
        annotations=lambda w: PLAN.annotations(PLAN.dataset(w.tag).name),
    output:
        images=RESULTS + "/{tag}/images.json",
    params:
        tag=lambda w: PLAN.config.tags[w.tag],
        ids=lambda w: PLAN.config.id_files.get(PLAN.config.tags[w.tag].ids, ()),
        source=lambda w: PLAN.dataset(w.tag).images,
        mirror=PLAN.config.mirror,
    log:
        "logs/{tag}/fetch_images.log",
    conda:
        ENVIRONMENT
    localrule: True
    wildcard_constraints:
        tag=one_of(tags_of("coco")),
    script:
        "../scripts/fetch_images.py"


rule list_images:
    input:
        code=code("list_images.py"),
        annotations=lambda w: PLAN.annotations(PLAN.dataset(w.tag).name),
    output:
        images=RESULTS + "/{tag}/images.json",
    params:
        tag=lambda w: PLAN.config.tags[w.tag],
        ids=lambda w: PLAN.config.id_files.get(PLAN.config.tags[w.tag].ids, ()),
        folder=lambda w: PLAN.image_folder(PLAN.dataset(w.tag).name),
        state=lambda w: PLAN.folder_state(PLAN.dataset(w.tag).name),
    log:
        "logs/{tag}/list_images.log",
    conda:
        ENVIRONMENT
    priority: 300
    wildcard_constraints:
        tag=one_of(tags_of("sample", "local")),
    script:
        "../scripts/list_images.py"


rule fetch_calibration:
    input:
        annotations="resources/datasets/{dataset}/annotations.json",
    output:
        images="resources/datasets/{dataset}/calibrations/{calibration}.json",
    params:
        source=lambda w: PLAN.registry.dataset(w.dataset).calibration,
        number=PLAN.config.calibration_images,
        seed=PLAN.config.calibration_seed,
        mirror=PLAN.config.mirror,
    log:
        "logs/{dataset}/fetch_calibration-{calibration}.log",
    conda:
        ENVIRONMENT
    localrule: True
    wildcard_constraints:
        dataset=one_of(datasets_of("coco")),
    script:
        "../scripts/fetch_calibration.py"


rule choose_calibration:
    input:
        code=code("choose_calibration.py"),
        annotations=lambda w: PLAN.annotations(w.dataset),
    output:
        images="resources/datasets/{dataset}/calibrations/{calibration}.json",
    params:
        folder=lambda w: PLAN.calibration_folder(w.dataset),
        evaluation=lambda w: PLAN.image_folder(w.dataset),
        state=lambda w: PLAN.folder_state(w.dataset),
        number=PLAN.config.calibration_images,
        seed=PLAN.config.calibration_seed,
    log:
        "logs/{dataset}/choose_calibration-{calibration}.log",
    conda:
        ENVIRONMENT
    priority: 300
    wildcard_constraints:
        dataset=one_of(datasets_of("sample", "local")),
    script:
        "../scripts/choose_calibration.py"
