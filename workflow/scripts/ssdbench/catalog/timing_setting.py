"""The settings of a timing: how many images a query has, in how many threads, in how many streams at once."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One way to time a cell.

    batch: images in one query. threads: intra-op threads of each stream. streams: sessions that run side by side in
    one process.
    """

    batch: int = 1
    threads: int = 1
    streams: int = 1

    @property
    def name(self) -> str:
        """The setting in paths: `b1-t2-s1`."""
        return f"b{self.batch}-t{self.threads}-s{self.streams}"

    @property
    def cores(self) -> int:
        """Threads that are at work at once."""
        return self.threads * self.streams

    @classmethod
    def of(cls, name: str) -> Setting | None:
        """The setting of that name; None where it names none."""
        match = re.fullmatch(r"b([1-9]\d*)-t([1-9]\d*)-s([1-9]\d*)", name)
        return cls(*map(int, match.groups())) if match else None
