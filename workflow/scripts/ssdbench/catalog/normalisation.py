"""What the numbers that a network is fed mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Normalisation:
    """A network is fed pixel * scale + offset, pixels from 0 to 255."""

    scale: float
    offset: float

    def __str__(self) -> str:
        return f"pixel * {self.scale * 255:g}/255 {'-' if self.offset < 0 else '+'} {abs(self.offset):g}"


# Every MobileNet SSD's; what a file means that does not say.
MOBILENET_SSD = Normalisation(2.0 / 255.0, -1.0)
