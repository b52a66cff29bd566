rule collect_run:
    input:
        artifact=artifact_of_cell,
        images=PATHS.image_list,
        detect=PATHS.of_cell("detect.json"),
        metrics=metrics_of,
        parts=parts_of,
        parity=parity_of,
        diagnosis=PATHS.of_cell("diagnosis.json"),
        timing=PATHS.of_cell("timing.json"),
        replicates=replicates_of,
        reference=reference_replicates_of,
    output:
        run=PATHS.of_cell("run.json"),
    log:
        PATHS.cell_log("collect_run"),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        code=code("collect_run.py"),
        given=run_context_of,
    script:
        "../scripts/collect_run.py"


rule build_report:
    input:
        texts=report_texts(),
        published=PUBLISHED,
        protocols=PROTOCOLS,
        runs=cells_of("run.json"),
        detections=cells_of("detections.json"),
        sweep=sweep_of,
        images=images_of_report,
    output:
        csv=report(
            PATHS.of_tag("summary.csv"),
            caption="../report/summary.rst",
            category="Summary",
            labels={"dataset": "{tag}", "file": "table"},
        ),
        json=PATHS.of_tag("summary.json"),
        sweep=report(
            PATHS.of_tag("sweep.csv"),
            caption="../report/sweep.rst",
            category="Timing",
            labels={"dataset": "{tag}", "file": "sweep"},
        ),
        markdown=PATHS.of_tag("summary.md"),
        figures=directory(PATHS.of_tag("report/figures")),
        tables=directory(PATHS.of_tag("report/tables")),
        page=report(
            PATHS.page,
            caption="../report/page.rst",
            category="Summary",
            labels={"dataset": "{tag}", "file": "report"},
        ),
    log:
        PATHS.tag_log("build_report"),
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(1500, 60),
    params:
        context=report_context_of,
        there=there_of_tag,
        code=code("build_report.py"),
        hashes=code_hashes,
    script:
        "../scripts/build_report.py"


rule build_published_report:
    input:
        texts=report_texts(),
        published=PUBLISHED,
        protocols=PROTOCOLS,
        runs=[
            PLAN.file(cell, "run.json")
            for cell in targets.report_runs(PLAN, PLAN.published)
        ],
        detections=[
            PLAN.file(cell, "detections.json")
            for cell in targets.report_runs(PLAN, PLAN.published)
        ],
        replicates=[
            PLAN.file(cell, "replicates.json")
            for cell in targets.report_runs(PLAN, PLAN.published)
            if PLAN.is_drawn(cell)
        ],
        sweep=targets.report_sweep(PLAN, PLAN.published),
        images=images_for_report(*PLAN.published_tags),
    output:
        figures=directory(PATHS.of_published("figures")),
        tables=directory(PATHS.of_published("tables")),
        page=report(
            PATHS.of_published("index.html"),
            caption="../report/page.rst",
            category="Summary",
            labels={"dataset": "published", "file": "report"},
        ),
    log:
        PATHS.log("published/build_published_report"),
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        context=published_context(PLAN),
        there=what_is_there(PLAN.published),
        code=code("build_report.py"),
        hashes=code_hashes,
    script:
        "../scripts/build_report.py"


rule check_cells:
    input:
        pages=targets.pages(PLAN),
        summaries=targets.summaries(PLAN),
    output:
        touch(PATHS.all_cells_ok),
    log:
        PATHS.log("check_cells"),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        code=code("check_cells.py"),
    script:
        "../scripts/check_cells.py"
