from snakemake.utils import min_version

min_version("9.20")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/inference.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


rule all:
    input:
        rules.check_cells.output,
        PLAN.products,


rule fetch:
    input:
        PLAN.fetched_files,
    localrule: True


rule models:
    input:
        PLAN.cards,


rule detections:
    input:
        PLAN.detections,


rule report:
    input:
        PLAN.pages,


onsuccess:
    print(where_reports_lie())


onerror:
    print(where_reports_lie())
