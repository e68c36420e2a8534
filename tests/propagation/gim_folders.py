"""GIM's label folders planted from known tracks, written as its preprocessor leaves them."""

import numpy as np
from planted import SIZE

GAP = 10


def set_folder(root, video, method, zoomed, skip, size=SIZE):
    scene = f"{video} WH {size[0]:4} {size[1]:4} RG {0:4} {-1:4} SP {skip} {len(video)}"
    return root / "pseudo" / f"WALK {method} [R] {'T' if zoomed else 'F'} [S] {skip:2}" / scene


def write_set(folder, pairs):
    """``pairs`` maps (frame0, frame1) to (N, 4)."""
    folder.mkdir(parents=True)
    for ends, points in pairs.items():
        np.save(folder / f"{np.array(ends)}.npy", points.astype(np.float32))
    np.save(folder / "nums.npy", np.array([len(points) for points in pairs.values()]))
    np.save(folder / "idxs.npy", np.array(list(pairs)).reshape(-1, 2))


def write_video(root, video, rng, tracks, seen, *, methods=("SIFT", "GIM_DKM"), keep=0.8, noise=0.1, first=300):
    """Label sets of every method, pass and skip; returns the number of the first frame."""
    for method in methods:
        for zoomed in (False, True):
            own = tracks + rng.normal(0, noise, tracks.shape)
            for skip in (1, 2, 4):
                pairs = {}
                for a in range(len(tracks) - skip):
                    chosen = seen[a] & seen[a + skip] & (rng.random(tracks.shape[1]) < keep)
                    ends = (first + a * GAP, first + (a + skip) * GAP)
                    pairs[ends] = np.concatenate([own[a, chosen], own[a + skip, chosen]], axis=1)
                write_set(set_folder(root, video, method, zoomed, skip * GAP), pairs)
    return first
