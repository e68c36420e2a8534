"""Propagation on tracks whose every position is known."""

from dataclasses import replace

import numpy as np
import pytest
from planted import SIZE, label, planted, sources, truth_error

from gim_data.errors import GimError
from gim_data.propagation.config import PropagationConfig
from gim_data.propagation.graph import MatchGraph, Source, build_graph, eligible_pairs
from gim_data.propagation.link import RadiusLink
from gim_data.propagation.stage import propagate_video
from gim_data.stage import Silent


def propagated(made, frames, **options):
    config = PropagationConfig.model_validate({"min_matches": 16, **options})
    return propagate_video(made, frames, SIZE, config, Silent()).labels


def test_tracks_are_followed_to_the_far_end_and_are_right():
    rng = np.random.default_rng(0)
    tracks, seen = planted(rng)
    labels = propagated(sources(rng, tracks, seen), len(tracks))
    assert max(found.frame1 - found.frame0 for found in labels) > 8
    assert {found.frame0 for found in labels} == set(range(len(tracks) - 1))
    for found in labels:
        assert truth_error(tracks, found).max() < 0.01
        assert found.frame0 < found.frame1
        assert found.hops.max() <= found.frame1 - found.frame0  # a way may lead through an earlier frame


def test_recall_of_a_perfect_teacher_is_complete():
    rng = np.random.default_rng(1)
    tracks, seen = planted(rng)
    for found in propagated(sources(rng, tracks, seen, keep=1.0), len(tracks)):
        visible = seen[found.frame0 : found.frame1 + 1].all(axis=0)
        assert len(found) >= 0.98 * visible.sum()


def test_hops_are_the_fewest_links_less_one():
    rng = np.random.default_rng(2)
    tracks, seen = planted(rng, frames=9)
    labels = propagated(sources(rng, tracks, seen, keep=1.0), 9, overlap_bins=(0.0, 0.01, 1.0))
    for found in labels:
        span = found.frame1 - found.frame0
        links = span // 4 + (span % 4) // 2 + span % 2
        assert set(found.hops.tolist()) == {links - 1}


def test_two_teachers_vote():
    rng = np.random.default_rng(3)
    tracks, seen = planted(rng, frames=5)
    made = sources(rng, tracks, seen, teachers=("a", "b"), keep=1.0)
    assert all((found.votes == 2).all() for found in propagated(made, 5))


@pytest.mark.parametrize("link", ["cell", "radius"])
def test_nothing_links_across_frames_that_no_label_joins(link):
    """Labels 0-1 and 2-3 meet in no frame, though their points lie on the same pixels (GIM.md 2.6, item 5)."""
    rng = np.random.default_rng(4)
    tracks, seen = planted(rng, frames=4, speed=0.0)
    everything = seen.all(axis=0)
    made = [Source("a", [label(tracks[i], tracks[i + 1], everything, i, i + 1) for i in (0, 2)])]
    pairs = {(found.frame0, found.frame1) for found in propagated(made, 4, link=link)}
    assert pairs == {(0, 1), (2, 3)}


def test_the_order_of_matches_does_not_matter():
    rng = np.random.default_rng(5)
    tracks, seen = planted(rng, frames=8)
    made = sources(rng, tracks, seen, teachers=("a", "b"), teacher_noise=0.1)

    def shuffled(old):
        order = np.random.default_rng(len(old)).permutation(len(old))
        parts = {name: getattr(old, name)[order] for name in ("points0", "points1", "confidence", "hops", "votes")}
        return replace(old, **parts)

    mixed = [Source(source.teacher, [shuffled(old) for old in source.labels]) for source in made]
    for a, b in zip(propagated(made, 8), propagated(mixed, 8), strict=True):
        assert (a.frame0, a.frame1) == (b.frame0, b.frame1)
        assert abs(len(a) - len(b)) <= 0.02 * len(a) + 1


def test_the_radius_keeps_what_cells_lose_to_the_grid():
    rng = np.random.default_rng(6)
    tracks, seen = planted(rng, points=900)
    made = sources(rng, tracks, seen, teachers=("a", "b"), keep=0.5, teacher_noise=0.1)
    count, error = {}, {}
    for link in ("cell", "radius"):
        labels = propagated(made, len(tracks), link=link, epipolar_px=3.0)
        count[link] = sum(map(len, labels))
        error[link] = np.mean(np.concatenate([truth_error(tracks, found) for found in labels]))
    assert count["radius"] > 1.03 * count["cell"]
    assert error["radius"] < 0.15


def test_wrong_matches_are_outvoted_by_other_routes():
    rng = np.random.default_rng(7)
    tracks, seen = planted(rng)
    made = sources(rng, tracks, seen, keep=0.9)
    for old in made[0].labels:  # a tenth of the shortest links swap two points a few pixels apart
        wrong = rng.random(len(old)) < 0.1
        old.points1[wrong] = np.roll(old.points1[wrong], 1, axis=0)
    off = np.concatenate([truth_error(tracks, found) for found in propagated(made, len(tracks))])
    assert np.mean(off < 1) > 0.97


def test_a_failing_teacher_does_not_silence_the_other():
    rng = np.random.default_rng(8)
    tracks, seen = planted(rng, frames=6)
    good = sources(rng, tracks, seen, teachers=("a",), keep=1.0)
    nothing = np.zeros(tracks.shape[1], bool)
    failed = Source("b", [label(tracks[i], tracks[i + 1], nothing, i, i + 1) for i in range(5)])
    assert propagated([*good, failed], 6)
    assert not propagated([*good, failed], 6, quorum=2)  # GIM's rule
    assert propagated(good, 6, quorum=2)  # more than there are teachers: all of them


def test_eligibility_counts_teachers_over_their_label_sets():
    rng = np.random.default_rng(9)
    tracks, seen = planted(rng, frames=2, points=80)
    some = seen.all(axis=0) & (np.arange(80) < 40)
    part = label(tracks[0], tracks[1], some, 0, 1)
    made = [Source("a", [part]), Source("a", [part]), Source("b", [part])]
    assert eligible_pairs(made, quorum=1, min_direct=len(part) + 1) == {(0, 1)}
    assert eligible_pairs(made, quorum=2, min_direct=len(part) + 1) == set()


def test_partners_come_from_every_bin_of_overlap():
    rng = np.random.default_rng(10)
    tracks, seen = planted(rng, frames=40, points=2500, speed=12)
    labels = propagated(sources(rng, tracks, seen, keep=0.9), 40)
    first = [found for found in labels if found.frame0 == 0]
    bins = {int(np.searchsorted((0.3, 0.5, 0.7, 0.9), found.overlap)) for found in first}
    assert bins == {0, 1, 2, 3, 4}
    spans = [found.frame1 for found in first]
    assert sorted(spans) == spans
    assert sorted((found.overlap for found in first), reverse=True) == [found.overlap for found in first]


def test_the_same_labels_give_the_same_pairs():
    runs = []
    for _ in range(2):
        rng = np.random.default_rng(11)
        tracks, seen = planted(rng, frames=8, noise=0.2)
        runs.append(propagated(sources(rng, tracks, seen, teachers=("a", "b")), 8))
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a.points1, b.points1)
        np.testing.assert_array_equal(a.confidence, b.confidence)


def test_labels_of_another_video_are_refused():
    rng = np.random.default_rng(12)
    tracks, seen = planted(rng, frames=6)
    with pytest.raises(GimError, match="of a video with 4 frames"):
        propagated(sources(rng, tracks, seen), 4)


def test_matches_must_lie_between_their_frames():
    rng = np.random.default_rng(13)
    tracks, seen = planted(rng, frames=4)
    link = RadiusLink(0.75)
    graph = build_graph(sources(rng, tracks, seen), link, frames=4, size=SIZE, quorum=1, min_direct=1)
    with pytest.raises(AssertionError, match="another frame"):
        MatchGraph([*graph.positions[:3], graph.positions[3][:1]], graph.into, SIZE)
    with pytest.raises(AssertionError, match="forward in time"):
        MatchGraph(graph.positions, graph.into[::-1], SIZE)


@pytest.mark.parametrize("made", [[], [Source("a", [])]])
def test_no_labels_no_pairs(made):
    assert propagated(made, 5) == []


def test_guesses_of_a_teacher_carry_no_track():
    rng = np.random.default_rng(14)
    tracks, seen = planted(rng, frames=5)
    made = sources(rng, tracks, seen, keep=1.0)  # all with confidence 0.9
    assert propagated(made, 5, min_confidence={"a": 0.95}) == []
    assert propagated(made, 5, min_confidence={"a": 0.5, "b": 0.95})
