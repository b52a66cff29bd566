rule compose_sample:
    input:
        photos=str(ROOT / "workflow/resources/sample_photos.yaml"),
    output:
        annotations=fill(paths.ANNOTATIONS, dataset="sample"),
        images=directory(fill(paths.IMAGES, dataset="sample")),
        calibration=directory(SAMPLE_CALIBRATION),
    log:
        fill(paths.dataset_log("compose_sample"), dataset="sample"),
    priority: 300
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        code=code("compose_sample.py"),
    script:
        "../scripts/compose_sample.py"


rule download_annotations:
    output:
        annotations=paths.ANNOTATIONS,
    log:
        paths.dataset_log("download_annotations"),
    wildcard_constraints:
        dataset=one_of(datasets_of("coco")),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        source=annotation_source_of,
    script:
        "../scripts/download_annotations.py"


rule fetch_images:
    input:
        annotations=annotations_of,
    output:
        images=PATHS.image_list,
        folder=directory(paths.TAG_IMAGES),
    log:
        PATHS.tag_log("fetch_images"),
    wildcard_constraints:
        tag=one_of(tags_of("coco")),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        tag=tag_of,
        ids=ids_of,
        source=image_source_of,
        orientation=orientation_of,
    script:
        "../scripts/fetch_images.py"


rule list_images:
    input:
        annotations=annotations_of,
        folder=made_images_of,
    output:
        images=PATHS.image_list,
    log:
        PATHS.tag_log("list_images"),
    wildcard_constraints:
        tag=one_of(tags_of("sample", "local")),
    priority: 300
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        code=code("list_images.py"),
        tag=tag_of,
        ids=ids_of,
        folder=image_folder_of,
        state=local_state_of,
        orientation=orientation_of,
    script:
        "../scripts/list_images.py"


checkpoint count_images:
    input:
        images=PATHS.image_list,
    output:
        counted=PATHS.of_tag("image_count.json"),
    log:
        PATHS.tag_log("count_images"),
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
        annotations=paths.ANNOTATIONS,
    output:
        images=paths.CALIBRATION_LIST,
        folder=directory(paths.CALIBRATION_IMAGES),
    log:
        paths.dataset_log("fetch_calibration-{calibration}"),
    wildcard_constraints:
        dataset=one_of(datasets_of("coco")),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        source=calibration_source_of,
        number=PLAN.config.calibration_images,
        seed=PLAN.config.calibration_seed,
    script:
        "../scripts/fetch_calibration.py"


rule choose_calibration:
    input:
        annotations=annotations_of_dataset,
        folders=made_images_of_dataset,
    output:
        images=paths.CALIBRATION_LIST,
    log:
        paths.dataset_log("choose_calibration-{calibration}"),
    wildcard_constraints:
        dataset=one_of(datasets_of("sample", "local")),
    priority: 300
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        code=code("choose_calibration.py"),
        folder=calibration_folder_of,
        evaluation=evaluation_folder_of,
        state=local_state_of_dataset,
        orientation=orientation_of_dataset,
        number=PLAN.config.calibration_images,
        seed=PLAN.config.calibration_seed,
    script:
        "../scripts/choose_calibration.py"
