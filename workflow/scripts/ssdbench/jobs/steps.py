"""What every script of the workflow does around its work: write its log and its record, and exit."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssdbench.errors import STOPPED, Unsupported, UserError, unexpected
from ssdbench.files.reading import read_record
from ssdbench.files.writing import write_json
from ssdbench.jobs.lifetime import end_with_parent
from ssdbench.jobs.limited_process import Limits, OverLimit, in_child, job_limits

__all__ = ["Limits", "Record", "in_child", "job_limits", "log_tail", "outcome", "record", "run", "start_log"]

_LOG = logging.getLogger(__name__)
_TAIL_LINES = 40

Record = dict[str, Any]


def start_log(log: str | Path) -> None:
    """Send logging, warnings and prints to the log file, line by line.

    From now on the job also ends when the Snakemake that started it ends, and at Ctrl-C, without a word: the run says
    that it was stopped.
    """
    end_with_parent()
    signal.signal(signal.SIGINT, lambda *_: sys.exit(STOPPED))
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("w", encoding="utf-8", buffering=1)
    logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)
    sys.stdout = stream


def run(log: str | Path, work: Callable[[], None]) -> None:
    """Run a step whose failure fails its job: the message of a UserError goes to the log, and the exit code is 1."""
    start_log(log)
    try:
        with _log_seconds():
            work()
    except UserError as error:
        _LOG.error("%s", error)
        raise SystemExit(1) from None
    except Exception:
        _LOG.exception("unexpected error")
        raise


def record(
    log: str | Path,
    output: str | Path,
    work: Callable[[], Record],
    needs: Mapping[str, str | Path] | None = None,
    indent: int | None = 1,
    limits: Limits | None = None,
    what: str = "The step",
) -> None:
    """Run a step that writes a record with its status, whatever happens; see `outcome`.

    With `limits`, a child process does the work, under these limits; `what` names it in error messages.
    """
    start_log(log)
    limited = (lambda: in_child(work, limits, what)) if limits else work
    with _log_seconds():
        found = outcome(log, limited, needs or {}, limits.attempts_left if limits else 0)
    try:
        write_json(Path(output), found, indent)
    except UserError as error:  # the disk is full
        _LOG.error("%s", error)
        raise SystemExit(1) from None


@contextmanager
def _log_seconds() -> Iterator[None]:
    """Log how long the work took. The job's whole time less this is the time that starting it takes."""
    start = time.perf_counter()
    try:
        yield
    finally:
        _LOG.info("the work took %.3f s", time.perf_counter() - start)


def outcome(
    log: str | Path, work: Callable[[], Record], needs: Mapping[str, str | Path], attempts_left: int = 0
) -> Record:
    """Do a step and return its record: `{status, reason, log}`, and what `work` returned if the status is `ok`.

    If the status is `failed`, also `log_tail`: the last lines of the log.

    Args:
        log: the step's log file, named in the record.
        work: does the step. The message of a UserError becomes the reason, and the status is `failed`, or
            `unsupported` for an Unsupported.
        needs: name -> record of each step before this one. If one is not `ok`, this step gets its status and reason.
        attempts_left: how often the job will be started again with more memory and time, if it fails.

    Raises:
        SystemExit: the work went over a limit and the job will be started again.
    """
    for name, path in needs.items():
        earlier = read_record(Path(path))
        if earlier["status"] != "ok":
            return {
                "status": earlier["status"],
                "reason": f"{name}: {earlier['reason']}",
                "log": earlier["log"],
                **({"log_tail": earlier["log_tail"]} if "log_tail" in earlier else {}),
            }
    try:
        content = work()
    except Unsupported as error:
        _LOG.warning("%s", error)
        return {"status": "unsupported", "reason": str(error), "log": str(log)}
    except UserError as error:
        _LOG.error("%s", error)
        if isinstance(error, OverLimit) and attempts_left > 0:
            _LOG.error(
                "The job fails and will be started again with more memory and time; attempts left: %d.", attempts_left
            )
            raise SystemExit(1) from None
        return _failed(str(error), log)
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises, the cell gets a row with the reason
        _LOG.exception("unexpected error")
        return _failed(unexpected(error), log)
    return {"status": "ok", "reason": "", "log": str(log), **content}


def _failed(reason: str, log: str | Path) -> Record:
    return {"status": "failed", "reason": reason, "log": str(log), "log_tail": log_tail(Path(log))}


def log_tail(log: Path) -> list[str]:
    """The last lines of a log; none if it cannot be read."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    except OSError:
        return []
