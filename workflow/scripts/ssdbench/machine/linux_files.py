"""The files in which Linux tells of itself, and the control groups of this process among them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def text_of(path: Path) -> str | None:
    """The text of a file without the space around it; None where there is no such file or it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def cgroup_folders(root: Path, controller: str) -> list[Path]:
    """The folders of this process's control groups and of those above them, whose limits hold for it too.

    Of the second version (one tree, alone or at `unified` beside the first) and of the first (a tree for each
    controller); innermost first within a tree. In a container the path is often that of the host and does not
    exist; the top is then the container's own group.

    Args:
        root: where proc and sys are looked for.
        controller: of the first version, for example "cpu".
    """
    own = {"": "", controller: ""}
    for line in (text_of(root / "proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        own |= {name: path for name in names.split(",") if name in own}
    top = root / "sys/fs/cgroup"
    trees = {top: own[""], top / "unified": own[""], top / controller: own[controller]}
    return [folder for tree, path in trees.items() for folder in _upwards(tree, path)]


def _upwards(top: Path, path: str) -> list[Path]:
    own = top if ".." in path else top / path.strip("/")  # ".." leads out of the namespace of the container
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(top)]
