"""``gim match`` and ``gim homography``: two images from a shell, with any matcher."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gim_data.errors import BadInput, GimError
from orchestration.commands.common import err, out

DEFAULT_MATCHER = "xfeat+lighterglue"
_STYLES = {"yes": "green", "partly": "yellow"}


class Colour(StrEnum):
    """What the colour of a line says."""

    error = "error"
    confidence = "confidence"


Inputs = Annotated[list[str], typer.Argument(metavar="A B", help="Two images; or two folders or quoted globs.")]
Images = Annotated[list[str], typer.Argument(metavar="A B", help="Two images.")]
MatcherName = Annotated[
    str, typer.Option("--matcher", "-m", help="rootsift, xfeat+lighterglue, student:FOLDER (a trained model), ...")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.", file_okay=False)]
MaxSide = Annotated[int, typer.Option(min=64, help="Larger images are reduced to this many pixels for matching.")]
Device = Annotated[str, typer.Option(help="Torch device of a learned matcher: auto, cpu, cuda...")]
LinePixels = Annotated[
    float, typer.Option(min=0.01, help="An inlier is this close to its epipolar line, in pixels as matched.")
]
PointPixels = Annotated[
    float, typer.Option(min=0.01, help="An inlier is this close to its point, in pixels as matched.")
]
ColourBy = Annotated[Colour, typer.Option("--colour", help="What the colour of a line says.")]
Warp = Annotated[bool, typer.Option("--warp", help="Also show A warped onto B by a homography.")]


def match(
    inputs: Inputs,
    matcher: MatcherName = DEFAULT_MATCHER,
    target: Out = Path("matches"),
    colour: ColourBy = Colour.error,
    warp: Warp = False,
    threshold: LinePixels = 1.0,
    max_side: MaxSide = 1600,
    device: Device = "auto",
) -> None:
    """Match images A and B with any matcher, check the matches, draw them.

    Folders and globs are paired in order: the first of A with the first of B. A pair that cannot be matched is named
    and left out; the others go on. Where no more matches agree than chance gives, the images share no view: that is
    said, and of a single pair the exit code is 1.

    \b
    Writes, per pair, to --out:
      NAME.jpg       both images with their matches
      NAME.json      counts, the fitted geometry (fundamental matrix or homography), the median error
      NAME.npz       keypoints0 (N, 2), keypoints1 (N, 2), confidence, inliers, error_px
      NAME-warp.jpg  with --warp: A warped onto B, B, and both in one
    Keypoints are x, y in pixels of the full image as a viewer shows it; (0, 0) is the centre of its first pixel.

    \b
    Examples:
      gim match a.jpg b.jpg
      gim match a.jpg b.jpg --matcher rootsift --colour confidence --warp
      gim match 'day/*.jpg' 'night/*.jpg' --out day-night
      gim match a.jpg b.jpg --matcher student:data/model/lightglue-100
    """  # noqa: D301
    from gim_models.downstream.inputs import pair_images, two_inputs
    from gim_models.downstream.two_images import MatchSettings, match_files
    from gim_models.registry import open_matcher

    pairs = pair_images(*two_inputs(inputs))
    opened = open_matcher(matcher, device=device)
    settings = MatchSettings(threshold, max_side, colour.value, warp)
    failed: list[BadInput] = []
    apart = 0
    for pair in pairs:
        try:
            checked = match_files(opened, pair, target, settings)
        except BadInput as error:
            if len(pairs) == 1:
                raise
            failed.append(error)
            err.print(f"[yellow]left out[/yellow] {escape(error.problem)}", highlight=False, soft_wrap=True)
        else:
            out.print(f"{pair.name}: {checked.sentence()}", highlight=False, soft_wrap=True, markup=False)
            apart += not checked.shared_view
    if len(failed) == len(pairs):
        raise GimError(f"none of the {len(pairs)} pairs could be matched", failed[0].remedy)
    if apart == len(pairs) == 1:
        raise GimError(
            f"{pairs[0].path0} and {pairs[0].path1} share no view that {opened.name} can find",
            f"look at {target / f'{pairs[0].name}.jpg'}; give images with more overlap, or try another --matcher",
        )
    told = f"{len(pairs) - len(failed)} of {len(pairs)} pair(s) in {target}"
    out.print(f"{told}, {apart} without a shared view" if apart else told, highlight=False, soft_wrap=True)


def homography(
    inputs: Images,
    matcher: MatcherName = DEFAULT_MATCHER,
    target: Out = Path("homography"),
    threshold: PointPixels = 3.0,
    max_side: MaxSide = 1600,
    device: Device = "auto",
) -> None:
    """Estimate the homography that maps image A onto image B, and say whether there is one.

    A homography is right for a flat scene, or a camera that only turned. It is compared with the epipolar geometry of
    the same matches: what that explains and the homography does not is parallax. The verdict is yes, partly (a plane
    among other things) or no; after a no the exit code is 1.

    \b
    Writes to --out:
      homography.json  H_0to1 (pixels of A to pixels of B), the verdict, counts, the median error
      H_0to1.txt       the matrix alone, for numpy.loadtxt
      inliers.jpg      the matches: inliers green, the others red
      warp.jpg         A warped onto B, B, and both in one (A red, B cyan, what agrees grey)

    \b
    Examples:
      gim homography poster-left.jpg poster-right.jpg
      gim homography a.jpg b.jpg --matcher rootsift --out result
    """  # noqa: D301
    from gim_models.downstream.inputs import pair_images, two_inputs
    from gim_models.downstream.two_images import relate_files
    from gim_models.registry import open_matcher

    pairs = pair_images(*two_inputs(inputs))
    if len(pairs) != 1:
        raise GimError(f"{len(pairs)} pairs are given, a homography is of one", "name two image files")
    planar = relate_files(
        open_matcher(matcher, device=device), pairs[0], target, threshold=threshold, max_side=max_side
    )
    if planar.verdict == "no":
        raise GimError(
            f"no homography relates {pairs[0].path0} and {pairs[0].path1}: {planar.reason}",
            f"look at {target / 'inliers.jpg'}; for a scene with depth use 'gim match', which fits epipolar geometry",
        )
    style = _STYLES[planar.verdict]
    verdict = f"homography: [{style}]{planar.verdict}[/{style}], {planar.reason}"
    out.print(verdict, highlight=False, soft_wrap=True)
    count = f"{int(planar.inliers.sum())} of {len(planar.inliers)} matches, median error {planar.error_px:.2f} px"
    out.print(f"{count}; H_0to1 and pictures in {target}", highlight=False, soft_wrap=True)
