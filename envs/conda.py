"""Write ssdbench.yaml, for `snakemake --sdm conda`, from requirements.in and the versions of requirements.txt."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HEAD = """\
# For `snakemake --sdm conda`; written by `make lock` with the versions of requirements.txt.
name: ssdbench
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - pip:
"""


def main() -> None:
    """Pin each package that requirements.in names."""
    locked = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (FOLDER / "requirements.txt").read_text(), flags=re.M))
    names = re.findall(r"^([a-z0-9-]+)", (FOLDER / "requirements.in").read_text(), flags=re.M)
    lines = "".join(f"      - {name}=={locked[name]}\n" for name in names)
    (FOLDER / "ssdbench.yaml").write_text(HEAD + lines)


if __name__ == "__main__":
    main()
