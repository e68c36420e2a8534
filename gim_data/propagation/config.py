"""Parameters of propagation."""

from typing import Literal

from pydantic import Field

from gim_data.stage import Section


class PropagationConfig(Section):
    """How direct matches become correspondences over wide baselines."""

    link: Literal["radius", "cell"] = Field(
        "radius", description="how observations of two labels join in a frame: sub-pixel radius, or GIM's rounded pixel"
    )
    radius_px: float = Field(0.75, gt=0, description="radius of link 'radius', pixels")
    min_confidence: dict[str, float] = Field(
        default_factory=lambda: {"rootsift": 0.3, "xfeat+lighterglue": 0.95},
        description="per teacher, the least confidence of a direct match that may carry tracks; 0 where not named",
    )
    quorum: int = Field(1, ge=1, description="teachers that must have labelled a frame pair for it to carry tracks")
    min_direct: int = Field(32, ge=1, description="a teacher has labelled a pair when it found this many (GIM.md 2.1)")
    min_support: int = Field(
        2, ge=1, description="links (teachers x routes) that must agree on the last step of a track with hops"
    )
    cycle_px: float = Field(
        1.5, gt=0, description="branches of a track that come farther apart than this cut it at the fork"
    )
    max_hops: int = Field(40, ge=0, le=250, description="longest chain of links after the first")
    overlap_bins: tuple[float, ...] = Field(
        (0.1, 0.3, 0.5, 0.7, 0.9, 1.0),
        min_length=2,
        description="each start frame gets its farthest partner in every bin of overlap between these edges",
    )
    min_matches: int = Field(64, ge=8, description="fewer correspondences reject a pair (GIM.md 2.4)")
    epipolar_px: float = Field(
        0.75, gt=0, description="MAGSAC threshold of the final check, pixels of the stored frames (GIM.md 2.4: 1.0)"
    )
    fit_points: int = Field(512, ge=64, description="correspondences, evenly chosen, that the final check is fitted to")
    fit_iterations: int = Field(1000, ge=1, description="most iterations of the final check (GIM.md 2.4)")
