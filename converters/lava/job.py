"""The child side of the runner: ``python -m ltc2hw.converters.lava.job MODULE:FUNCTION FOLDER``.

A third argument ``temporary`` says that nobody needs the folder when the caller is gone.

The job is a function of one folder: it reads its input there and writes its results there. A
failure, in the job itself or in one of Lava's own processes, is written to ``failure.json`` at
once, because Lava may never hand it on: a process model that raises leaves its peers, and
``stop()``, waiting for messages that do not come.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from ltc2hw.converters.lava.shim import require_lava
from ltc2hw.converters.lava.watch import Watch

FAILURE_FILE = "failure.json"
TEMPORARY = "temporary"


def write_failure(folder: Path, error: BaseException) -> None:
    """Write ``error`` to ``failure.json`` in one piece; the first failure of a job is kept."""
    record = {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
    draft = folder / f"{FAILURE_FILE}.{os.getpid()}"
    draft.write_text(json.dumps(record), encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        os.link(draft, folder / FAILURE_FILE)
    draft.unlink()


def report_actor_failures(folder: Path) -> None:
    """Have every operating-system process that Lava forks write its failure before it ends.

    Lava starts each of them on the module-level function ``target_fn`` of its runtime and only
    tells the main process how many failed.
    """
    from lava.magma.runtime import runtime

    run_actor = runtime.target_fn

    def run_and_report(*args: Any, **kwargs: Any) -> None:
        try:
            run_actor(*args, **kwargs)
        except Exception as error:
            write_failure(folder, error)
            raise

    runtime.target_fn = run_and_report


def main(job: str, folder: Path, *, temporary: bool = False) -> None:
    """Run the job and leave by ``os._exit``: after a failure Lava's clean-up would wait forever."""
    module, _, function = job.partition(":")
    Watch(folder, lambda error: write_failure(folder, error), temporary=temporary).start()
    try:
        require_lava("running a Lava job")
        report_actor_failures(folder)
        getattr(importlib.import_module(module), function)(folder)
    except BaseException as error:  # noqa: BLE001 - also SystemExit must reach the parent
        write_failure(folder, error)
        status = 1
    else:
        status = 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), temporary=TEMPORARY in sys.argv[3:])
