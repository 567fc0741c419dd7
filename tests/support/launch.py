"""Runs a script, or ``-m`` a module, and fails if a process group outlives its ``destroy_process_group``.

Such a group ends with Python itself, which over gloo is now and then an abort ("terminate called without an active
exception"). A wrapped model that is still there keeps its group. So does ``torch._dynamo``, which a wrapper imports, if
that happens while there is a group: functions of ``torch.distributed.nn`` have the group of that moment as a default.
"""

import runpy
import sys
import weakref
from typing import Any

import torch.distributed as dist


def watch() -> list["weakref.ref[Any]"]:
    """The process groups created from now on."""
    groups: list[weakref.ref[Any]] = []
    init = dist.init_process_group

    def watched(*args: Any, **kwargs: Any) -> None:
        init(*args, **kwargs)
        groups.append(weakref.ref(dist.group.WORLD))

    dist.init_process_group = watched
    return groups


def main() -> None:
    """Runs the script or module with its own ``sys.argv``; exits with its status, or 3 if a group is left."""
    groups, status = watch(), 0
    by_name = sys.argv[1] == "-m"
    sys.argv = sys.argv[2 if by_name else 1 :]
    try:
        (runpy.run_module if by_name else runpy.run_path)(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code
    if any(group() is not None for group in groups):
        print("A process group outlives destroy_process_group.", file=sys.stderr)
        sys.exit(3)
    sys.exit(status)


if __name__ == "__main__":
    main()
