rule collect_run:
    input:
        code=code("collect_run.py"),
        card=card_of,
        images=f"{RESULTS}/{{tag}}/images.json",
        detect=f"{CELL}/detect.json",
        metrics=metrics_of,
        parts=parts_of,
        parity=parity_of,
        diagnosis=f"{CELL}/diagnosis.json",
        timing=f"{CELL}/timing.json",
        replicates=replicates_of,
        reference=reference_replicates_of,
    output:
        run=f"{CELL}/run.json",
    log:
        f"{CELL_LOGS}/collect_run.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        given=lambda w: given_of(PLAN.cell(w)),
    script:
        "../scripts/collect_run.py"


rule build_report:
    input:
        code=code("build_report.py"),
        texts=report_texts(),
        published=PUBLISHED,
        protocols=PROTOCOLS,
        runs=lambda w: cells_of(w.tag, "run.json"),
        detections=lambda w: cells_of(w.tag, "detections.json"),
        sweep=lambda w: sweep_of(w.tag),
        images=lambda w: images_for_report(w.tag),
    output:
        csv=report(
            f"{RESULTS}/{{tag}}/summary.csv",
            caption="../report/summary.rst",
            category="Summary",
            labels={"dataset": "{tag}", "file": "table"},
        ),
        json=f"{RESULTS}/{{tag}}/summary.json",
        sweep=report(
            f"{RESULTS}/{{tag}}/sweep.csv",
            caption="../report/sweep.rst",
            category="Timing",
            labels={"dataset": "{tag}", "file": "sweep"},
        ),
        markdown=f"{RESULTS}/{{tag}}/summary.md",
        figures=directory(f"{RESULTS}/{{tag}}/report/figures"),
        tables=directory(f"{RESULTS}/{{tag}}/report/tables"),
        page=report(
            f"{RESULTS}/{{tag}}/report/index.html",
            caption="../report/page.rst",
            category="Summary",
            labels={"dataset": "{tag}", "file": "report"},
        ),
    log:
        f"{LOGS}/{{tag}}/build_report.log",
    conda:
        ENVIRONMENT
    resources:
        slots=1,
        mem_mb=memory(1500, 60),
    params:
        context=lambda w: PLAN.report_context(w.tag),
        there=lambda w: what_is_there(
            [cell for cell in PLAN.supported if cell.dataset == w.tag]
        ),
        code=code_hashes,
    script:
        "../scripts/build_report.py"


rule build_published_report:
    input:
        code=code("build_report.py"),
        texts=report_texts(),
        published=PUBLISHED,
        protocols=PROTOCOLS,
        runs=[
            f"{PLAN.folder(cell)}/run.json"
            for cell in PLAN.report_runs(PLAN.published)
        ],
        detections=[
            f"{PLAN.folder(cell)}/detections.json"
            for cell in PLAN.report_runs(PLAN.published)
        ],
        replicates=[
            f"{PLAN.folder(cell)}/replicates.json"
            for cell in PLAN.report_runs(PLAN.published)
            if PLAN.is_drawn(cell)
        ],
        sweep=PLAN.report_sweep(PLAN.published),
        images=images_for_report(*PLAN.published_tags),
    output:
        figures=directory(f"{RESULTS}/published/figures"),
        tables=directory(f"{RESULTS}/published/tables"),
        page=report(
            f"{RESULTS}/published/index.html",
            caption="../report/page.rst",
            category="Summary",
            labels={"dataset": "published", "file": "report"},
        ),
    log:
        f"{LOGS}/published/build_published_report.log",
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    params:
        context=PLAN.published_context,
        there=what_is_there(PLAN.published),
        code=code_hashes,
    script:
        "../scripts/build_report.py"


rule check_cells:
    input:
        code=code("check_cells.py"),
        pages=PLAN.pages,
        summaries=expand(f"{RESULTS}/{{tag}}/summary.json", tag=PLAN.tags),
    output:
        touch(f"{RESULTS}/all_cells_ok"),
    log:
        f"{LOGS}/check_cells.log",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        slots=1,
    script:
        "../scripts/check_cells.py"
