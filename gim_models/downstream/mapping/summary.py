"""What a reconstruction came to, for people and for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gim_data.bench.posed import Camera
from gim_models.downstream.mapping.reconstruct import MapResult
from gim_models.downstream.mapping.scores import MapScore, score_map

_SHOWN = 20  # names in one line


def numbers(result: MapResult, reference: Sequence[Camera]) -> dict[str, Any]:
    """One attempt as JSON values; with reference cameras also its errors."""
    found = result.found
    score = score_map(found, reference) if reference else None
    return {
        "matcher": result.label,
        "images": len(result.images),
        "registered": len(found.views) if found else 0,
        "pairs": len(result.pairs),
        "verified_pairs": len(result.inliers),
        "points": len(found.points) if found else 0,
        "track_length": found.track_length if found and len(found.points) else None,
        "reprojection_px": found.reprojection_error if found and len(found.points) else None,
        "seconds": {phase: round(seconds, 2) for phase, seconds in result.seconds.items()},
        "problem": result.problem,
        "against_reference": score.as_json() if score else None,
    }


def as_text(results: Sequence[MapResult], reference: Sequence[Camera]) -> str:
    """A paragraph per attempt, then a line per image that no attempt could place."""
    return "\n\n".join(
        _paragraph(result, score_map(result.found, reference) if reference else None) for result in results
    )


def _paragraph(result: MapResult, score: MapScore | None) -> str:
    found = result.found
    lines = [f"{result.label}: {len(found.views) if found else 0} of {len(result.images)} images placed"]
    lines += [f"  {result.problem}"] if result.problem else []
    lines.append(f"  pairs: {len(result.pairs)} tried, {len(result.inliers)} verified")
    if found is not None and len(found.points):
        lines.append(
            f"  points: {len(found.points)}, seen by {found.track_length:.2f} images on average, "
            f"reprojection error {found.reprojection_error:.2f} px"
        )
    if score is not None:
        lines.append(f"  against the reference: {_against(score)}")
    spent = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in result.seconds.items())
    return "\n".join([*lines, f"  time: {spent}", *(f"  {note}" for note in result.notes), *_missing(result)])


def _against(score: MapScore) -> str:
    if score.centre_error is None or score.relative_error is None:
        return f"{score.registered} of {score.images} placed, too few to align"
    return (
        f"{score.registered} of {score.images} placed, median centre error {score.centre_error:.4g} "
        f"({100 * score.relative_error:.2f} % of {score.extent:.4g}), median rotation error {score.rotation_deg:.3f} "
        f"deg, {100 * score.within_1_percent:.0f} % within 1 %"
    )


def _missing(result: MapResult) -> list[str]:
    """Images that were not placed, with how many verified pairs each had: none means no match, some a weak link."""
    placed = set(result.found.views) if result.found else set()
    partners = Counter(row for pair in result.inliers for row in pair)
    rows = [row for row, name in enumerate(result.images) if name not in placed]
    names = [f"{result.images[row]} ({partners[row]} verified pairs)" for row in rows[:_SHOWN]]
    rest = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return [f"  not placed: {', '.join(names)}{rest}"] if rows else []
