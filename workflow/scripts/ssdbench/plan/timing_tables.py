"""The tables of a plan: the cells that are timed together, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.timing_setting import Setting
from ssdbench.plan.paths import fill
from ssdbench.plan.plan import Plan


@dataclass(frozen=True)
class Table:
    """The cells of one dataset tag, model and protocol that run; only they are compared with one another."""

    tag: str
    model: str
    protocol: str


def tables(plan: Plan) -> list[Table]:
    """The tables that have a cell to time."""
    return list(dict.fromkeys(Table(cell.dataset, cell.model, cell.protocol) for cell in plan.supported))


def table_of(words: Any) -> Table:
    """The table that an object with the attributes tag, model, protocol names."""
    return Table(words.tag, words.model, words.protocol)


def timed_cells(plan: Plan, table: Table, setting: Setting) -> list[CellName]:
    """The cells of a table that are timed at a setting; the reference first, if it is among them."""
    own = [
        cell
        for cell in plan.supported
        if (cell.dataset, cell.model, cell.protocol) == (table.tag, table.model, table.protocol)
        and setting in plan.settings(cell)
    ]
    return sorted(own, key=lambda cell: (cell.framework, cell.precision) != plan.config.reference)


def settings_of(plan: Plan, table: Table) -> list[Setting]:
    """The settings at which a table has cells to time, in the order of the configuration."""
    return [setting for setting in plan.config.timing.settings if timed_cells(plan, table, setting)]


def is_compared(plan: Plan, table: Table) -> bool:
    """Whether the speeds of a table's cells are compared. Rows that reproduce published ones are not, by themselves."""
    own = {cell.name for cell in plan.cells if not cell.is_published}
    return any((cell.dataset, cell.model, cell.protocol) == (table.tag, table.model, table.protocol) for cell in own)


def rounds(plan: Plan, table: Table, setting: Setting) -> list[str]:
    """The files of a table's rounds at a setting."""
    numbers = range(1, plan.config.timing.rounds + 1)
    return [fill(plan.paths.round, **vars(table), setting=setting.name, round=number) for number in numbers]


def timing_file(plan: Plan, cell: CellName, setting: Setting) -> str:
    """What the rounds of a setting say of a cell."""
    if setting == plan.config.timing.default:
        return plan.file(cell, "timing.json")
    return fill(plan.paths.setting_timing, cell, setting=setting.name)


def sweep(plan: Plan, cell: CellName) -> Sequence[str]:
    """What the rounds of each setting say of a cell, but for the default one, whose is timing.json."""
    others = [setting for setting in plan.settings(cell) if setting != plan.config.timing.default]
    return [timing_file(plan, cell, setting) for setting in others]
