rule collect_run:
    input:
        code=code("collect_run.py"),
        card=card_of,
        images=RESULTS + "/{tag}/images.json",
        detect=RESULTS + "/" + CELL + "/detect.json",
        metrics=RESULTS + "/" + CELL + "/metrics.json",
        timing=RESULTS + "/" + CELL + "/timing.json",
    output:
        run=RESULTS + "/" + CELL + "/run.json",
    params:
        cell=PLAN.cell,
        config=lambda w: PLAN.settings_of(PLAN.cell(w)),
    log:
        "logs/" + CELL + "/collect_run.log",
    conda:
        ENVIRONMENT
    script:
        "../scripts/collect_run.py"


rule build_report:
    input:
        code=code("build_report.py"),
        texts=report_texts(),
        published=PUBLISHED,
        runs=lambda w: cells_of(w.tag, "run.json"),
        detections=lambda w: cells_of(w.tag, "detections.json"),
        images=RESULTS + "/{tag}/images.json",
    output:
        csv=report(
            RESULTS + "/{tag}/summary.csv",
            caption="../report/summary.rst",
            category="Summary",
            labels={"dataset": "{tag}", "file": "table"},
        ),
        json=RESULTS + "/{tag}/summary.json",
        markdown=RESULTS + "/{tag}/summary.md",
        page=report(
            RESULTS + "/{tag}/report/index.html",
            caption="../report/page.rst",
            category="Summary",
            labels={"dataset": "{tag}", "file": "report"},
        ),
    params:
        context=lambda w: PLAN.report_context(w.tag),
    log:
        "logs/{tag}/build_report.log",
    conda:
        ENVIRONMENT
    script:
        "../scripts/build_report.py"


rule build_published_report:
    input:
        code=code("build_report.py"),
        texts=report_texts(),
        published=PUBLISHED,
        runs=[f"{PLAN.folder(cell)}/run.json" for cell in PLAN.published],
        detections=[f"{PLAN.folder(cell)}/detections.json" for cell in PLAN.published],
        images=expand(RESULTS + "/{tag}/images.json", tag=PLAN.published_tags),
    output:
        page=report(
            RESULTS + "/published/index.html",
            caption="../report/page.rst",
            category="Summary",
            labels={"dataset": "published", "file": "report"},
        ),
    params:
        context=PLAN.published_context,
    log:
        "logs/published/build_published_report.log",
    conda:
        ENVIRONMENT
    script:
        "../scripts/build_report.py"


rule check_cells:
    input:
        code=code("check_cells.py"),
        pages=PLAN.pages,
        summaries=expand(RESULTS + "/{tag}/summary.json", tag=PLAN.tags),
    output:
        touch(RESULTS + "/all_cells_ok"),
    log:
        "logs/check_cells.log",
    conda:
        ENVIRONMENT
    localrule: True
    script:
        "../scripts/check_cells.py"
