"""Reads files of /proc and /sys, and finds the control groups of this process."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def text_of(path: Path) -> str | None:
    """The text of a file, stripped; None if the file does not exist or cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def cgroup_folders(root: Path, controller: str) -> list[Path]:
    """The folders of this process's control groups and of their parents, whose limits hold for it too.

    Covers cgroup v2 (one tree, alone or at `unified` beside v1) and v1 (a tree for each controller); innermost first
    within a tree. In a container the path is often the host's and does not exist; then the top of the tree is the
    container's own group.

    Args:
        root: the folder that holds proc and sys.
        controller: of v1, for example "cpu".
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
