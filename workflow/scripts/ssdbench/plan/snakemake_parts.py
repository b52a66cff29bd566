"""What the workflow reads from Snakemake's own objects besides its documented language. Nothing else does."""

from __future__ import annotations

from typing import Any


def uses_conda(workflow: Any) -> bool:
    """Whether jobs run in conda environments of their own (`--sdm conda`)."""
    return any(method.name == "CONDA" for method in workflow.deployment_settings.deployment_method)


def runs_on_this_machine(workflow: Any) -> bool:
    """Whether jobs run where Snakemake was started, and not on the nodes of a cluster."""
    return bool(workflow.local_exec) and not workflow.remote_exec


def resource_limit(workflow: Any, name: str) -> object:
    """The limit that was set for a resource over all jobs; None without one."""
    limit = workflow.global_resources.get(name)
    return getattr(limit, "value", limit)
