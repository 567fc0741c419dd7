"""The command line, run in this process."""

from click.testing import CliRunner, Result

from meaniou.cli import main


def invoke(*words: object) -> Result:
    """The result of the command line with these arguments."""
    return CliRunner().invoke(main, [str(word) for word in words])
