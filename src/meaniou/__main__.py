"""Runs the command line as ``python -m meaniou``, or says what it needs."""

import sys


def main() -> None:
    """Runs the command line."""
    try:
        from meaniou.cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "PIL", "tifffile"):
            raise
        sys.exit(f"The command line needs {error.name}, which is not installed; run: pip install 'meaniou[cli]'")
    run(prog_name="meaniou")


if __name__ == "__main__":
    main()
