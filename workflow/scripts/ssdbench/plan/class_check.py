"""Looks at a user's own annotations before the first job: they can be read, and models' classes are among them."""

from __future__ import annotations

from ssdbench.coco.categories import class_table
from ssdbench.errors import UserError
from ssdbench.plan.plan import Plan


def check_local_classes(plan: Plan) -> None:
    """Make sure that the models of the dataset `local` have classes that its annotations have.

    A model whose row states neither class_ids nor labels is left to its detections: only its file tells its classes.
    So are other datasets, whose annotations a job of this run may yet have to fetch.

    Raises:
        UserError: the annotations cannot be used, or the classes of a model fit none of their categories.
    """
    models = {cell.model for cell in plan.supported if plan.dataset(cell.dataset).kind == "local"}
    rows = [row for row in map(plan.registry.model, sorted(models)) if row.class_ids or row.labels]
    annotations = plan.config.local.annotations
    if annotations is None or not rows:
        return
    from ssdbench.coco.annotations import read_annotations  # with packages that Snakemake itself may run without

    categories = read_annotations(annotations).categories
    for row in rows:
        try:
            class_table(categories, row.class_ids, row.labels)
        except UserError as error:
            raise UserError(
                f"{row.name} on {annotations}: {error} Or leave {row.name} out of `models` for this dataset."
            ) from None
