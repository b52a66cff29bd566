# The workflow is in workflow/Snakefile, where Snakemake's workflow catalog looks for it.
include: "workflow/Snakefile"


# An include does not hand on its default target.
workflow.default_target = "all"
