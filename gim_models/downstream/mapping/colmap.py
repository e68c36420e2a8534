"""Everything that touches pycolmap: its interface changes with every release, so no other module may import it.

Keypoints cross this border with half a pixel added (COLMAP counts from the corner of the top-left pixel).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gim_data.errors import BadInput, GimError
from gim_data.stage import Progress
from gim_data.types import Floats
from gim_models.downstream.mapping.copies import Copies
from gim_models.downstream.mapping.images import FEWEST, MapImage
from gim_models.downstream.mapping.model import HALF, CameraPlan, MapCamera, MapView, Matrix, SparseMap
from gim_models.downstream.mapping.pairing import Pair

Mapper = Literal["incremental", "global"]
Reconstruction = Any


@lru_cache(1)
def _pycolmap() -> Any:
    try:
        import pycolmap
    except ImportError as error:
        raise GimError("pycolmap is not installed", "install it: pip install 'gim[downstream]'") from error
    pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value  # its errors are raised, and told by us
    return pycolmap


def version() -> str:
    """The version of pycolmap.

    Raises:
        GimError: it is not installed.
    """
    found: str = _pycolmap().__version__
    return found


def write_database(
    path: Path,
    plan: CameraPlan,
    keypoints: Sequence[Floats] | None = None,
    matches: Mapping[Pair, NDArray[np.generic]] | None = None,
) -> None:
    """Write a new COLMAP database; image i of the list gets id i + 1.

    Args:
        path: the file; one that is there is replaced.
        plan: images and cameras.
        keypoints: (N, 2) per image in our pixels, or None for images alone.
        matches: pair of rows -> (M, 2) keypoint rows.
    """
    colmap = _pycolmap()
    path.unlink(missing_ok=True)
    with colmap.Database.open(path) as database, colmap.DatabaseTransaction(database):
        for row, camera in enumerate(plan.cameras):
            _write_camera(database, camera, row + 1)
        for row, (name, camera_row) in enumerate(zip(plan.names, plan.camera_of, strict=True)):
            _write_image(database, name, camera_row + 1, row + 1)
        for row, points in enumerate(keypoints or ()):
            database.write_keypoints(row + 1, (points + HALF).astype(np.float32))
        for (i, j), rows in (matches or {}).items():
            database.write_matches(i + 1, j + 1, rows.astype(np.uint32))


def verify(path: Path, *, threads: int, seed: int) -> dict[Pair, int]:
    """Check every matched pair of a database against two-view geometry (RANSAC).

    Returns:
        inliers of each pair that passed, by rows of the list that the database was written from.
    """
    colmap = _pycolmap()
    colmap.geometric_verification(
        path,
        verifier_options=colmap.GeometricVerifierOptions(num_threads=threads),
        two_view_geometry_options=_two_view(seed),
    )
    return _inliers(path)


def sift_matches(
    path: Path, copies: Copies, pairs: Sequence[Pair], plan: CameraPlan, *, max_side: int, threads: int, seed: int
) -> dict[Pair, int]:
    """COLMAP's own SIFT features, matches and verification, into a new database.

    Args:
        path: the file; one that is there is replaced.
        copies: of the images; the database has their names.
        pairs: which to match.
        plan: cameras.
        max_side: long side that images are reduced to, pixels; 0 leaves COLMAP's default.
        threads: -1 for all cores.
        seed: of RANSAC.

    Returns:
        inliers of each pair that passed.
    """
    names = copies.names
    write_database(path, replace(plan, names=names))
    colmap = _pycolmap()
    extraction = colmap.FeatureExtractionOptions(num_threads=threads, use_gpu=False, max_image_size=max_side or -1)
    colmap.extract_features(
        path,
        copies.images,
        image_names=names,
        reader_options=colmap.ImageReaderOptions(camera_model=plan.cameras[0].model, mask_path=copies.masks or ""),
        extraction_options=extraction,
        device=colmap.Device.cpu,
    )
    listed = path.with_suffix(".pairs.txt")
    listed.write_text("".join(f"{names[i]} {names[j]}\n" for i, j in pairs))
    colmap.match_image_pairs(
        path,
        matching_options=colmap.FeatureMatchingOptions(num_threads=threads, use_gpu=False),
        pairing_options=colmap.ImportedPairingOptions(match_list_path=listed),
        verification_options=_two_view(seed),
        device=colmap.Device.cpu,
    )
    return _inliers(path)


def map_images(
    path: Path, images: Path, out: Path, mapper: Mapper, progress: Progress, *, threads: int, seed: int
) -> Reconstruction:
    """Cameras and points from a verified database: the model with most registered images.

    Args:
        path: the database.
        images: folder of the images; points get their colours from ``paint``.
        out: scratch folder for models.
        mapper: incremental (robust) or global (fast on many images).
        progress: advanced by one per registered image.
        threads: -1 for all cores.
        seed: of every random choice.

    Raises:
        BadInput: no three images could be placed.
    """
    colmap = _pycolmap()
    out.mkdir(parents=True, exist_ok=True)
    colmap.set_random_seed(seed)
    if mapper == "global":
        options = colmap.GlobalPipelineOptions(num_threads=threads, random_seed=seed, min_model_size=FEWEST)
        models = colmap.global_mapping(path, images, out, options)
    else:
        options = colmap.IncrementalPipelineOptions(num_threads=threads, random_seed=seed, min_model_size=FEWEST)
        options.extract_colors = False
        models = colmap.incremental_mapping(
            path,
            images,
            out,
            options,
            initial_image_pair_callback=lambda: progress.advance(2),
            next_image_callback=lambda: progress.advance(1),
        )
    if not models:
        raise BadInput(
            f"no {FEWEST} images could be placed in one scene: their verified matches are too few, or the camera "
            "only turns",
            "see which pairs matched in summary.txt; add images with more overlap, or try another matcher",
        )
    best = max(models.values(), key=lambda model: (model.num_reg_images(), model.num_points3D()))
    if not best.num_points3D():
        raise BadInput(
            f"{best.num_reg_images()} images were placed, but they have no point in common: the camera hardly moves",
            "take images from places farther apart, or try another matcher",
        )
    return best


def rename(model: Reconstruction, names: Sequence[str]) -> None:
    """Give the images of a model these names, by the rows of the list that its database was written from."""
    for identifier, image in model.images.items():
        image.name = names[identifier - 1]


def paint(model: Reconstruction, images: Sequence[MapImage]) -> None:
    """Give every point the mean colour of the pixels that see it. COLMAP's own way leaves it black where it cannot read
    an image's format.

    Args:
        model: images by the rows of the list that its database was written from.
        images: that list.

    Raises:
        BadInput: an image is gone or no longer decodes.
    """
    identifiers = np.array(sorted(model.points3D))
    total, times = np.zeros((len(identifiers), 3)), np.zeros(len(identifiers))
    for number, image in model.images.items():
        seen = [point for point in image.points2D if point.has_point3D()]
        if image.has_pose and seen:
            pixels = images[number - 1].pixels()
            places = np.array([point.xy for point in seen]) - HALF
            column, row = places.round().astype(int).clip(0, (pixels.shape[1] - 1, pixels.shape[0] - 1)).T
            rows = np.searchsorted(identifiers, [point.point3D_id for point in seen])
            np.add.at(total, rows, pixels[row, column])
            np.add.at(times, rows, 1)
    colours = (total / np.maximum(times, 1)[:, None]).round().astype(np.uint8)
    for identifier, colour in zip(identifiers.tolist(), colours, strict=True):
        model.points3D[identifier].color = colour


def triangulate(
    path: Path,
    images: Path,
    plan: CameraPlan,
    poses: Sequence[Matrix],
    *,
    threads: int,
    seed: int,
) -> Reconstruction:
    """Points from a verified database and known cameras; neither poses nor intrinsics move.

    Args:
        path: the database, written from the same plan.
        images: folder of the images, for colours.
        plan: images and cameras.
        poses: (4, 4) T_w2c of each image.
        threads: -1 for all cores.
        seed: of every random choice.
    """
    colmap = _pycolmap()
    model = colmap.Reconstruction()
    for row, camera in enumerate(plan.cameras):
        model.add_camera_with_trivial_rig(_camera(camera, row + 1))
    with colmap.Database.open(path) as database:
        for row, (name, camera_row, pose) in enumerate(zip(plan.names, plan.camera_of, poses, strict=True)):
            keypoints = database.read_keypoints(row + 1)[:, :2].astype(np.float64)
            image = colmap.Image(name=name, keypoints=keypoints, camera_id=camera_row + 1, image_id=row + 1)
            model.add_image_with_trivial_frame(image, colmap.Rigid3d(np.ascontiguousarray(pose[:3])))
    options = colmap.IncrementalPipelineOptions(num_threads=threads, random_seed=seed)
    scratch = path.parent / "triangulated"
    scratch.mkdir(exist_ok=True)
    return colmap.triangulate_points(model, path, images, scratch, options=options)


def save(model: Reconstruction, folder: Path, ply: Path) -> None:
    """Write a model as COLMAP's binary files into ``folder`` and its points as a PLY file."""
    folder.mkdir(parents=True, exist_ok=True)
    model.write_binary(folder)
    model.export_PLY(ply)


def load(folder: Path) -> SparseMap:
    """Read a COLMAP model (binary or text).

    Raises:
        BadInput: the folder holds none, or it is damaged.
    """
    try:
        return to_map(_pycolmap().Reconstruction(folder))
    except (ValueError, RuntimeError, OSError, IndexError) as error:
        raise BadInput(f"{folder} holds no COLMAP model: {error}", "make it anew with 'gim reconstruct'") from None


def to_map(model: Reconstruction) -> SparseMap:
    """A pycolmap reconstruction as plain arrays; views by name, in natural order of their ids."""
    identifiers = sorted(model.points3D)
    rows = {identifier: row for row, identifier in enumerate(identifiers)}
    points = [model.points3D[i] for i in identifiers]
    cameras = {key: _from_camera(camera) for key, camera in model.cameras.items()}
    views = {
        image.name: _view(image, cameras[image.camera_id], rows)
        for _, image in sorted(model.images.items())
        if image.has_pose
    }
    return SparseMap(
        views,
        np.array([point.xyz for point in points], np.float64).reshape(-1, 3),
        np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        np.array([point.error for point in points], np.float64),
        np.array([point.track.length() for point in points], np.int64),
    )


def _view(image: Any, camera: MapCamera, rows: Mapping[int, int]) -> MapView:
    pose = np.eye(4)
    pose[:3] = image.cam_from_world().matrix()
    keypoints = np.array([point.xy for point in image.points2D], np.float64).reshape(-1, 2) - HALF
    # A keypoint without a point carries the largest unsigned integer, which is nobody's row.
    seen = np.array([rows.get(point.point3D_id, -1) for point in image.points2D], np.int64)
    return MapView(camera, pose, keypoints.astype(np.float32), seen)


def _from_camera(camera: Any) -> MapCamera:
    return MapCamera(
        camera.model_name,
        tuple(float(value) for value in camera.params),
        (camera.width, camera.height),
        camera.has_prior_focal_length,
    )


def _camera(camera: MapCamera, identifier: int) -> Any:
    return _pycolmap().Camera(
        camera_id=identifier,
        model=camera.model,
        width=camera.size[0],
        height=camera.size[1],
        params=list(camera.params),
        has_prior_focal_length=camera.known_focal,
    )


def _write_camera(database: Any, camera: MapCamera, identifier: int) -> None:
    """Write a camera and the rig of this one camera that COLMAP asks for."""
    colmap = _pycolmap()
    database.write_camera(_camera(camera, identifier), use_camera_id=True)
    rig = colmap.Rig(rig_id=identifier)
    rig.add_ref_sensor(colmap.sensor_t(colmap.SensorType.CAMERA, identifier))
    database.write_rig(rig, use_rig_id=True)


def _write_image(database: Any, name: str, camera: int, identifier: int) -> None:
    """Write an image and the frame of this one image that COLMAP asks for."""
    colmap = _pycolmap()
    database.write_image(colmap.Image(name=name, camera_id=camera, image_id=identifier), use_image_id=True)
    frame = colmap.Frame(frame_id=identifier, rig_id=camera)
    frame.add_data_id(colmap.data_t(colmap.sensor_t(colmap.SensorType.CAMERA, camera), identifier))
    database.write_frame(frame, use_frame_id=True)


def _two_view(seed: int) -> Any:
    options = _pycolmap().TwoViewGeometryOptions()
    options.ransac.random_seed = seed
    return options


def _inliers(path: Path) -> dict[Pair, int]:
    colmap = _pycolmap()
    with colmap.Database.open(path) as database:
        pairs, counts = database.read_two_view_geometry_num_inliers()
    found = {}
    for pair, count in zip(pairs, counts, strict=True):
        i, j = colmap.pair_id_to_image_pair(pair)
        if count:
            found[i - 1, j - 1] = int(count)
    return found
