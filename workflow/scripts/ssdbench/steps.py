"""What every script of the workflow does around its work: the log, the record with its status, the exit."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ssdbench.errors import UserError
from ssdbench.files import read_json, write_json
from ssdbench.lifetime import end_with_parent

_LOG = logging.getLogger(__name__)

Record = dict[str, Any]


def start_log(log: str | Path) -> None:
    """Send logging, warnings and stray prints to the log file (line by line), and errors to the terminal too.

    From here on the job ends with the Snakemake that started it.
    """
    end_with_parent()
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("w", encoding="utf-8", buffering=1)
    logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.captureWarnings(True)
    sys.stdout = stream


def run(log: str | Path, work: Callable[[], None]) -> None:
    """Run a step whose failure stops its job: the sentence goes to the log and the terminal, the exit code is 1."""
    start_log(log)
    try:
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
) -> None:
    """Run a step that writes a record with its status, whatever happens; see `outcome`."""
    start_log(log)
    found = outcome(log, work, needs or {})
    try:
        write_json(Path(output), found, indent)
    except UserError as error:  # the disk is full
        _LOG.error("%s", error)
        raise SystemExit(1) from None


def outcome(log: str | Path, work: Callable[[], Record], needs: Mapping[str, str | Path]) -> Record:
    """The record of a step: `{status, reason, log}` and, where it went well, what `work` returned.

    Args:
        log: the step's log file, named in the record.
        work: does the step; a UserError's message becomes the reason.
        needs: what the step builds on -> its record; one that is not `ok` ends the step with its reason.
    """
    for name, path in needs.items():
        earlier = read_json(Path(path))
        if earlier["status"] != "ok":
            return {
                "status": earlier["status"],
                "reason": f"{name}: {earlier['reason']}",
                "log": earlier["log"],
            }
    try:
        content = work()
    except UserError as error:
        _LOG.error("%s", error)
        return {"status": "failed", "reason": str(error), "log": str(log)}
    except Exception as error:  # noqa: BLE001 - whatever a runtime throws, the cell has a row with the reason
        _LOG.exception("unexpected error")
        text = " ".join(str(error).split())[:500]
        return {"status": "failed", "reason": f"unexpected {type(error).__name__}: {text}", "log": str(log)}
    return {"status": "ok", "reason": "", "log": str(log), **content}


def in_child(work: Callable[[], Record], seconds: float, what: str) -> Record:
    """Run `work` in a child process with a time limit, so that a crash or a hang of native code has a reason.

    The child is forked: nothing has to be pickled but the record it returns.

    Raises:
        UserError: the child took longer than `seconds`, died, or raised a UserError itself.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send_outcome, args=(work, sender, os.getpid()))
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise UserError(f"{what} took longer than its limit of {seconds:g} s and was ended.")
        try:
            kind, value = receiver.recv()
        except EOFError:
            child.join()
            raise UserError(f"{what} ended without a result: {_exit(child.exitcode)}.") from None
    finally:
        child.kill()
        child.join()
    if kind == "error":
        raise UserError(value)
    return dict(value)


def _send_outcome(work: Callable[[], Record], sender: Connection, parent: int) -> None:
    end_with_parent(parent)
    try:
        message: tuple[str, Any] = ("record", work())
    except UserError as error:
        message = ("error", str(error))
    except Exception as error:  # noqa: BLE001 - the parent turns it into the cell's reason
        _LOG.exception("unexpected error")
        message = ("error", f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:500]}")
    sender.send(message)
    sender.close()


def _exit(code: int | None) -> str:
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
