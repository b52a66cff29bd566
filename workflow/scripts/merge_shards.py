"""Rule merge_shards: the shards of a cell's accuracy run as one run; one that failed fails the cell."""

from pathlib import Path
from typing import Any

from ssdbench.coco.detections import join_detections, write_detections
from ssdbench.coco.image_list import read_image_list
from ssdbench.files.reading import read_record
from ssdbench.inference.shards import check_complete, merged_record
from ssdbench.inference.trace import Recorder, join_traces, read_trace, write_trace
from ssdbench.jobs import steps

snakemake: Any  # given by the rule


def work() -> steps.Record:
    images = read_image_list(Path(snakemake.input.images))
    seen = join_traces([read_trace(Path(path)) for path in snakemake.input.seen])
    check_complete(seen.image_ids, images)
    record = merged_record([read_record(Path(path)) for path in snakemake.input.detect])
    join_detections(Path(snakemake.output.detections), [Path(path) for path in snakemake.input.detections])
    write_trace(Path(snakemake.output.seen), seen)
    return record


count = len(snakemake.input.detect)
steps.record(
    snakemake.log[0],
    snakemake.output.detect,
    work,
    needs={f"shard {number} of {count}": path for number, path in enumerate(snakemake.input.detect, start=1)},
    limits=steps.job_limits(snakemake.resources),
    what="The merging",
)
# Snakemake wants every output, also of a cell that failed; its status says that these mean nothing.
if not Path(snakemake.output.detections).exists():
    write_detections(Path(snakemake.output.detections), [])
if not Path(snakemake.output.seen).exists():
    write_trace(Path(snakemake.output.seen), Recorder(0).result())
