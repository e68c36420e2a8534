"""``gim labels``: look at label files, check them, measure them, and hand them on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from gim_data.errors import GimError
from orchestration.commands.common import err, out, root_of
from orchestration.progress import reporting
from orchestration.workspace import open_runner

if TYPE_CHECKING:
    from gim_data.labels.folders import LabelFolder

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at labels, check, measure, hand them on.")
Folder = Annotated[
    Path | None, typer.Argument(help="A folder of labels or of such folders; default: those of the workspace.")
]
Labels = Annotated[Path, typer.Argument(help="A folder of labels: data/tracks, one video's, or 'gim propagate --out'.")]
GimDir = Annotated[Path, typer.Argument(help="Where the files go: a folder a video.")]
Video = Annotated[str, typer.Argument(help="The video, or how its name alone begins.")]
Target = Annotated[Path | None, typer.Option(help="The file to write; default: report/labels-VIDEO.html.")]
Pairs = Annotated[int, typer.Option(min=1, help="Pairs to show of each label file.")]
Yes = Annotated[bool, typer.Option("--yes", help="Delete; without it, only tell what would go.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Figure = Annotated[Path | None, typer.Option(help="Also draw it: the PNG to write.")]
Worlds = Annotated[list[str] | None, typer.Option("--world", help="A synthetic video (repeatable): street?seed=1.")]
Posed = Annotated[
    list[Path] | None, typer.Option(help="Instead: a folder of images with cameras (repeatable).", exists=True)
]
Teachers = Annotated[list[str] | None, typer.Option("--teacher", help="A teacher (repeatable); default: all of them.")]
Seconds = Annotated[float, typer.Option(min=1, help="Seconds of each world.")]
Interval = Annotated[float, typer.Option(min=0.01, help="Seconds between frames.")]


@app.callback()
def labels_group() -> None:
    """Look at labels, check, measure, hand them on."""


@app.command("list")
def list_labels(context: typer.Context, folder: Folder = None, as_json: AsJson = False) -> None:
    """Every label file: teacher, skip, pairs, matches, bytes.

    \b
    Examples:
      gim labels list
      gim labels list labels         what 'gim propagate --out labels' made
    """  # noqa: D301
    from gim_data.labels.folders import summary

    rows = [
        {"stage": each.stage, "video": each.video, "file": file.name, **summary(file)}
        for each in _folders(context, folder)
        for file in each.files
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    names = ("video", "file", "pairs", "empty", "matches", "bytes", "bytes_per_match")
    out.print(_table(names, rows, left=2))


@app.command()
def inspect(context: typer.Context, video: Video) -> None:
    """What the labels of one video hold: how pairs ended, matches a pair, overlap, hops.

    \b
    Example:
      gim labels inspect walk
    """  # noqa: D301
    from gim_data.labels.folders import inspection

    for folder in _of_video(context, video):
        for file in folder.files:
            out.print(f"[bold]{escape(folder.stage)}/{escape(folder.video)}/{escape(file.name)}[/bold]", soft_wrap=True)
            for name, value in inspection(file).items():
                out.print(f"  {name:14} {escape(str(value))}", highlight=False, soft_wrap=True)


@app.command()
def verify(context: typer.Context, folder: Folder = None) -> None:
    """Check every label file against its record, the schema and the frames.

    Ends with exit code 1 if anything is wrong.
    """
    from gim_data.labels.folders import problems

    folders = _folders(context, folder)
    wrong = [problem for each in folders for problem in problems(each)]
    for problem in wrong:
        err.print(f"[red]wrong[/red] {escape(problem)}", highlight=False, soft_wrap=True)
    if wrong:
        raise GimError(f"{len(wrong)} thing(s) wrong", "'gim labels prune --yes' drops what is damaged; run it again")
    out.print(f"{len(folders)} folder(s), {sum(len(each.files) for each in folders)} label file(s): all as recorded")


@app.command()
def prune(context: typer.Context, yes: Yes = False) -> None:
    """Drop labels that are damaged, or of videos that are no longer listed.

    The next 'gim run matches tracks' makes the damaged ones again.
    """
    from gim_data.labels.folders import problems, workspace_folders

    runner = open_runner(root_of(context))
    doomed: dict[tuple[str, str], str] = {}
    for folder in workspace_folders(runner.root):
        if folder.video not in runner.keys(runner.stage(folder.stage)):
            doomed[folder.stage, folder.video] = "no longer listed"
        elif problems(folder):
            doomed[folder.stage, folder.video] = "damaged"
    for (stage, video), why in doomed.items():
        if yes:
            runner.ledger.remove(stage, video)
        out.print(f"{'dropped' if yes else 'would drop'} {stage} {escape(video)}: {why}", soft_wrap=True)
    if not doomed:
        out.print("nothing to drop")


@app.command()
def audit(
    context: typer.Context,
    world: Worlds = None,
    posed: Posed = None,
    teacher: Teachers = None,
    seconds: Seconds = 8.0,
    interval: Interval = 1 / 3,
    figure: Figure = None,
    as_json: AsJson = False,
) -> None:
    """Measure teachers and propagation on synthetic worlds, where the truth is exact, or on posed sequences.

    Precision at 1, 3 and 5 px; recall and coverage over the cells that both frames see. On a posed sequence the
    distance is that from the true epipolar line, and there is neither recall nor coverage.

    \b
    Examples:
      gim labels audit --world 'street?seed=1' --teacher rootsift
      gim labels audit --posed sequences/kitti07 --teacher rootsift
      gim labels audit --figure audit.png
      gim labels audit --json > audit.json
    """  # noqa: D301
    from gim_data.params import read_params
    from gim_models.audit import WORLDS, audit_posed, audit_worlds
    from orchestration.graph import SECTIONS

    params = read_params(root_of(context), SECTIONS)
    config = params["labels"].model_copy(update={"teachers": tuple(teacher)} if teacher else {})
    rules = {"propagated": params["propagation"]}
    with reporting(err) as progress:
        if posed:
            rows = audit_posed(posed, config, rules, seconds=seconds, interval=interval, progress=progress)
        else:
            rows = audit_worlds(world or WORLDS, config, rules, seconds=seconds, interval=interval, progress=progress)
    if figure:
        from gim_models.audit_figure import plot_audit

        plot_audit(rows, figure)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    names = ("what", "by", "value", "pairs", "correspondences", "precision_1px", "precision_3px", "precision_5px")
    out.print(_table((*names, "recall", "coverage"), rows, left=3))


@app.command()
def view(context: typer.Context, video: Video, pairs: Pairs = 12, target: Target = None) -> None:
    """Write a page with the pairs of a video, the worst first.

    \b
    Example:
      gim labels view walk --pairs 30
    """  # noqa: D301
    from gim_models.report.labels_page import write_page

    folders = _of_video(context, video)
    path = target or root_of(context) / "report" / f"labels-{folders[0].video}.html"
    shown = write_page(folders, path, pairs=pairs)
    out.print(f"{shown} pairs: {path}", highlight=False, soft_wrap=True)


@app.command("export-gim")
def export_gim(labels_dir: Labels, gim_dir: GimDir) -> None:
    """Write propagated pairs as GIM's training code reads them.

    One .npy a pair; its first row is the true span, the others are x0, y0, x1, y1.

    \b
    Example:
      gim labels export-gim labels data/ZeroMatch/propagate/mine
    """  # noqa: D301
    from gim_data.propagation.gim_pairs import export_pairs, pair_folders

    for folder in pair_folders(labels_dir):
        done = export_pairs(folder, gim_dir)
        out.print(f"{escape(done.video)}: {done.pairs} pairs, {done.matches} matches", highlight=False, soft_wrap=True)


def _folders(context: typer.Context, folder: Path | None) -> list[LabelFolder]:
    from gim_data.labels.folders import label_folders

    return label_folders(folder if folder is not None else root_of(context))


def _of_video(context: typer.Context, video: str) -> list[LabelFolder]:
    """The label folders of the only video of the workspace whose name begins so."""
    known = _folders(context, None)
    names = sorted({each.video for each in known})
    found = [video] if video in names else [name for name in names if name.startswith(video)]
    if len(found) != 1:
        problem = f"{len(found)} videos start with {video!r}" if found else f"no labels are of a video {video!r}"
        raise GimError(problem, f"there are labels of: {', '.join(names)}")
    return [each for each in known if each.video == found[0]]


def _table(names: Iterable[str], rows: Iterable[dict[str, Any]], *, left: int) -> Table:
    """Rows under ``names``, the first ``left`` columns to the left."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = list(names)
    for i, name in enumerate(columns):
        table.add_column(name.replace("precision_", ""), justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        values = [row.get(name, "") for name in columns]
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else escape(str(v)) for v in values))
    return table
