"""Rule time_inference: one round of a table's timing, in which all its cells take turns, with the machine to itself."""

from pathlib import Path
from typing import Any

import psutil

from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.timing_setting import Setting
from ssdbench.coco.image_list import read_image_list
from ssdbench.errors import Unsupported
from ssdbench.files.reading import read_record
from ssdbench.images.pixels import read_image
from ssdbench.jobs import steps
from ssdbench.machine.cores import choose_cores
from ssdbench.machine.host import available_cores, host_facts, limit_pools, package_versions
from ssdbench.timing.prepare_cell import cell_work
from ssdbench.timing.round_file import turns_of
from ssdbench.timing.table_round import RoundPlan, are_known, time_table

snakemake: Any  # given by the rule

# As many images are kept in memory and rotated: enough that caches are not flattered.
IMAGES = 64
# Whatever `nms` says, so that another value of it does not time all cells again: what it costs hardly depends on it.
NMS = {"score": 1e-8, "iou": 0.6, "max": 100}
# After two rounds another one runs only if an interval is wider than this many times interval_width: loading all cells
# anew costs more than what is left to gain.
ENOUGH_AFTER_TWO = 1.5
SETTING = Setting.of(snakemake.wildcards.setting) or Setting()
LIMITS = steps.job_limits(snakemake.resources)
CARDS = {
    name: Path(folder, "card.json")
    for name, folder in zip(snakemake.params.cells, snakemake.input.artifacts, strict=True)
}
NOT_MADE = {name: card for name, file in CARDS.items() if (card := read_record(file))["status"] != "ok"}


def timed() -> steps.Record:
    """The round, unless the machine is too small for its setting or the rounds before it know enough."""
    available = available_cores()
    if available < SETTING.cores:
        raise Unsupported(
            f"The setting {SETTING.name} needs {SETTING.cores} cores, but only {available:g} are available. Lower "
            "timing.threads or timing.streams."
        )
    names = [name for name in CARDS if name not in NOT_MADE]
    earlier = [read_record(Path(file)) for file in snakemake.input.earlier]
    width = snakemake.params.interval_width
    if len(earlier) > 1 and are_known([turns_of(one) for one in earlier], names, ENOUGH_AFTER_TWO * width):
        return {"is_needed": False, "cells": {}}
    limit_pools(SETTING.threads)
    images = read_image_list(Path(snakemake.input.images))
    preloaded = [
        (record, read_image(images.folder / record.file_name, record.sha256)) for record in images.images[:IMAGES]
    ]
    cores = choose_cores(SETTING.cores)
    works = {}
    for name in names:
        framework, precision = name.split("/")
        protocol = snakemake.wildcards.protocol
        works[name] = cell_work(
            CARDS[name], framework, precision, protocol, NMS, preloaded, SETTING, cores, images.categories
        )
    plan = RoundPlan(
        seconds=snakemake.params.seconds,
        width=width,
        cores=cores,
        limits=LIMITS,
        memory_mb=min(LIMITS.memory_mb or float("inf"), psutil.virtual_memory().available / 2**20),
        seed=int(snakemake.wildcards.round),
    )
    measured = time_table(works, SETTING.streams, [turns_of(one) for one in earlier], plan)
    cells = measured.pop("cells")
    return {
        "is_needed": True,
        "images": len(preloaded),
        "host": host_facts(),
        **measured,
        "cells": {name: cell_record(name, cells.get(name)) for name in CARDS},
    }


def cell_record(name: str, cell: steps.Record | None) -> steps.Record:
    """What a round says of a cell. cell: what its turns say; None if its artifact could not be made."""
    if cell is None:
        card = NOT_MADE[name]
        return {
            **{key: card[key] for key in ("status", "log", "log_tail") if key in card},
            "reason": f"conversion: {card['reason']}",
        }
    framework = name.split("/")[0]
    log = str(snakemake.log[0])
    if cell["status"] != "ok":
        return {**cell, "log": log, "log_tail": steps.log_tail(Path(log))}
    return {
        **cell,
        "log": log,
        "versions": package_versions(frameworks()[framework].packages),
        "code_sha256": snakemake.params.code[framework],
    }


def round_facts() -> steps.Record:
    """The record of the round. One in which a cell failed has failed, so that `make retry` times the table again."""
    done = steps.outcome(snakemake.log[0], timed, needs={}, attempts_left=LIMITS.attempts_left)
    cells = done.get("cells", {})
    broken = [name for name, cell in cells.items() if cell["status"] == "failed" and name not in NOT_MADE]
    if broken:
        done |= {"status": "failed", "reason": f"{broken[0]}: {cells[broken[0]]['reason']}"}
    return {
        "setting": SETTING.name,
        "round": int(snakemake.wildcards.round),
        "batch": SETTING.batch,
        "threads": SETTING.threads,
        "streams": SETTING.streams,
        **done,
    }


steps.record(snakemake.log[0], snakemake.output.round, round_facts, indent=None)
