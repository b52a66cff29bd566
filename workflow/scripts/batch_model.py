"""Rule batch_model: an artifact for more than one image a call, from the one for single images, and its card."""

from pathlib import Path
from typing import Any

from ssdbench.conversion.artifact import open_artifact
from ssdbench.conversion.batching import Single, with_batch
from ssdbench.images.image_folder import folder_records
from ssdbench.images.pixels import load_images
from ssdbench.inference.detect import fed_size
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

CHECK_IMAGES = 8
CARD = Path(snakemake.input.artifact, "card.json")


def work() -> steps.Record:
    card, path = open_artifact(CARD)
    folder = Path(snakemake.input.check)
    records = folder_records(folder)[:CHECK_IMAGES]
    pixels = [array for _, array in load_images(folder, records, fed_size(card), "rgb")]
    return with_batch(Single(card, path), int(snakemake.wildcards.batch), pixels, Path(snakemake.output.artifact))


steps.record(
    snakemake.log[0],
    Path(snakemake.output.artifact, "card.json"),
    work,
    needs={"conversion": CARD},
    limits=steps.job_limits(snakemake.resources),
    what="Making the artifact for a batch",
)
