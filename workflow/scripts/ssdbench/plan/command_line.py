"""The configuration as `snakemake` takes it on the command line, for the scripts that are started beside it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from ssdbench.errors import UserError
from ssdbench.files.reading import read_yaml
from ssdbench.plan.config import merge
from ssdbench.plan.load import load_plan
from ssdbench.plan.plan import Plan

ROOT = Path(__file__).resolve().parents[4]


def config_parser(description: str) -> argparse.ArgumentParser:
    """A parser with snakemake's --configfile and --config. Parse known arguments only: `make` hands on all."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help="files to merge into config.yaml, as snakemake takes them",
    )
    parser.add_argument(
        "-C", "--config", nargs="+", default=[], metavar="KEY=VALUE", help="single keys, as snakemake takes them"
    )
    return parser


def plan_of(configfiles: Sequence[Path], entries: Sequence[str]) -> Plan:
    """The plan of config.yaml with files and single keys merged into it.

    Raises:
        UserError: the configuration is wrong.
    """
    config = read_yaml(ROOT / "config.yaml")
    for file in configfiles:
        content = read_yaml(file) or {}
        if not isinstance(content, dict):
            raise UserError(f"{file} does not hold a mapping of configuration keys.")
        config = merge(config, content)
    for entry in entries:
        key, separator, value = entry.partition("=")
        if not separator:
            raise UserError(f"--config {entry}: give KEY=VALUE.")
        config = merge(config, {key: yaml.safe_load(value)})
    return load_plan(config, ROOT, os.environ)
