"""Help texts with options in sections and examples at the end."""

import functools
from collections.abc import Callable
from typing import Any

import click
from click.types import OptionHelpExtra

KEEP = "\u2011"  # a hyphen at which click breaks no line; stands for "-" until the text is whole
HELP_OPTIONS = ["-h", "--help"]
LEFT = 24  # columns for an option and its value; a longer one has a line of its own
EXAMPLES = {
    "meaniou": """
        # Draw example masks into the folder "sample" and score them
        meaniou demo sample

        # Score two folders: 9 classes; pixels with id 255 are ignored
        meaniou sample/pred sample/target --num-classes 9 --ignore-index 255

        # Labels that overlap, a map for each; --curve finds the best thresholds
        meaniou sample/labels/pred sample/labels/target --multilabel \\
            --ignore-index 255

        # All options
        meaniou score --help
    """,
    "score": """
        # 9 classes; pixels with id 255 are ignored ("meaniou demo sample" first)
        meaniou sample/pred sample/target --num-classes 9 --ignore-index 255

        # Named classes, confidence intervals, and an HTML page with the worst images
        meaniou sample/pred sample/target --class-names sample/names.txt \\
            --ignore-index 255 --ci --html report.html

        # Labels that overlap: scores above 0.4, then the best threshold of each label
        meaniou sample/labels/pred sample/labels/target --multilabel \\
            --class-names sample/labels/names.txt --ignore-index 255 --threshold 0.4
        meaniou sample/labels/pred sample/labels/target --multilabel \\
            --class-names sample/labels/names.txt --ignore-index 255 --curve

        # Boundary IoU beside the IoU, in bands of 0.5 % and of 2 % of the diagonal
        meaniou sample/pred sample/target --num-classes 9 --ignore-index 255 \\
            --boundary 0.005 --boundary 0.02

        # Label ids of Cityscapes by the rules of the benchmark, as JSON
        meaniou results gtFine/val --protocol cityscapes --format json
    """,
    "compare": """
        # Two folders of predictions for the same images
        meaniou compare model_a model_b target --num-classes 9 --ignore-index 255

        # The same from saved counts, without reading the masks again
        meaniou score model_a target --num-classes 9 --ignore-index 255 --save a.pt
        meaniou score model_b target --num-classes 9 --ignore-index 255 --save b.pt
        meaniou compare a.pt b.pt
    """,
    "merge": """
        # Score two parts of a dataset separately, and report on the whole
        meaniou score pred/1 target/1 --num-classes 9 --ignore-index 255 --save 1.pt
        meaniou score pred/2 target/2 --num-classes 9 --ignore-index 255 --save 2.pt
        meaniou merge 1.pt 2.pt --ci
    """,
    "protocols": """
        meaniou protocols
        meaniou results gtFine/val --protocol cityscapes
    """,
    "demo": """
        meaniou demo sample
        meaniou demo larger --images 50
    """,
}


class SectionOption(click.Option):
    """An option that help lists in a section."""

    def __init__(self, *args: Any, section: str = "Other", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """As in click, but without the range of a number, which the text says where it matters."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


def options_of(section: str) -> Callable[..., Callable[[Any], Any]]:
    """As ``click.option``, for the options of one section."""
    return functools.partial(click.option, cls=SectionOption, section=section)


class SectionCommand(click.Command):
    """A command whose help lists its options in sections and ends with examples, and that knows ``-h``."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.context_settings["help_option_names"] = HELP_OPTIONS

    def get_help(self, ctx: click.Context) -> str:
        """The help, in which no line breaks inside an option."""
        return super().get_help(ctx).replace(KEEP, "-")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the sections in the order of their first options, all with columns of one width."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            if isinstance(option, click.Option) and (record := option.get_help_record(ctx)):
                sections.setdefault(getattr(option, "section", "Other"), []).append(record)
        for section, records in sections.items():
            with formatter.section(section if len(sections) > 1 else "Options"):
                formatter.write_dl(
                    [(left.ljust(LEFT), text.replace("-", KEEP)) for left, text in records], col_max=LEFT
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples, with their line breaks as they are."""
        with formatter.section("Examples"):
            for line in EXAMPLES[self.name or ""].strip().splitlines():
                formatter.write(f"  {line.removeprefix(' ' * 8)}".rstrip() + "\n")


class SectionGroup(click.Group, SectionCommand):
    """A group whose help lists the commands, in the order of their definition, before its options."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which help lists them."""
        return list(self.commands)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the short form of ``score`` before the other commands."""
        formatter.write_usage(ctx.command_path, "PRED TARGET [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] ...", " " * len("Usage: "))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands before the options."""
        self.format_commands(ctx, formatter)
        SectionCommand.format_options(self, ctx, formatter)
