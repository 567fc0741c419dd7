"""The options of labels that overlap, with ``--multilabel``."""

from meaniou.cli.options.definitions import Integer, options
from meaniou.cli.options.help import options_of
from meaniou.settings import MAX_CLASSES

LABELS = options_of("Labels")

MULTILABEL = options(
    LABELS(
        "--multilabel",
        is_flag=True,
        help="A pixel can have several labels: files are stacks of maps, one for each label (.npy and .npz with labels "
        "in the first axis, such as [L, H, W], or TIFF with a page for each label). The ground truth holds 0, 1 and "
        "void values (--ignore-index); predictions hold scores, or 0 and 1. --class-names names the labels.",
    ),
    LABELS(
        "--num-labels",
        type=Integer(1, MAX_CLASSES),
        metavar="L",
        help="Number of labels, needed for arrays of two axes: 1 for maps [H, W] of one label, L for points [L, N].  "
        "[default: first axis of the first ground-truth file]",
    ),
    LABELS(
        "--threshold",
        type=float,
        multiple=True,
        metavar="T",
        help="A label is predicted where its score is above T; 0.0 for logits. Repeat it for one threshold per label, "
        "in the order of the labels.  [default: 0.5]",
    ),
    LABELS("--inclusive", is_flag=True, help="A label is predicted also where its score equals the threshold."),
)
CURVE = options(
    LABELS(
        "--curve",
        is_flag=True,
        help="Report the IoU at many thresholds, the best threshold of each label, and the best one for all labels.",
    ),
    LABELS(
        "--thresholds",
        metavar="N|T,T,...",
        help="The thresholds of --curve: a number of even ones from 0 to 1, or ascending values, such as "
        "0.35,0.4,0.45.  [default: 101]",
    ),
)
