"""Runs the command line as ``python -m meaniou``."""

import sys


def main() -> None:
    """Runs the command line, or exits with an error that names a missing package."""
    try:
        from meaniou.cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "PIL", "tifffile"):
            raise
        sys.exit(f"The command line needs {error.name}, which is not installed; run: pip install 'meaniou[cli]'")
    run(prog_name="meaniou")


if __name__ == "__main__":
    main()
