"""The command line, run in this process."""

from click.testing import CliRunner, Result

from meaniou.cli import main


def invoke(*words: object) -> Result:
    """What the command line does with these words."""
    return CliRunner().invoke(main, [str(word) for word in words])
