"""The one table of ZEB's twelve data sets: every name that the paper, the archives and the dumps use for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ZebSet:
    """One data set of ZEB as released (GIM.md 4.1, 4.3).

    Attributes:
        short: three letters, as in the paper's table.
        dump: name in the result dumps.
        folder: folder in the archives.
        separator: between scene and image names in file names.
        scenario: what it shows.
        scenes, pairs: how many the release holds.
        scene_cap: most pairs of one scene.
    """

    short: str
    dump: str
    folder: str
    separator: str
    scenario: str
    scenes: int
    pairs: int
    scene_cap: int


ZEB = (
    ZebSet("GL3", "GL3D", "gl3d", "_", "aerial, wild", 430, 5165, 13),
    ZebSet("BLE", "BlendedMVS", "blendedmvs", "_", "objects", 113, 5049, 64),
    ZebSet("ETI", "ETH3DI", "eth3di", "-", "basement, corridor", 7, 2131, 10000),
    ZebSet("ETO", "ETH3DO", "eth3do", "-", "school, park", 6, 3438, 10000),
    ZebSet("KIT", "KITTI", "kitti", "-", "driving", 9, 5013, 685),
    ZebSet("WEA", "RobotcarWeather", "robotcarweather", "_", "weather", 5, 1834, 500),
    ZebSet("SEA", "RobotcarSeason", "robotcarseason", "_", "season", 1, 1077, 2000),
    ZebSet("NIG", "RobotcarNight", "robotcarnight", "_", "night, sunlight", 5, 2080, 500),
    ZebSet("MUL", "Multi-FoV", "multifov", "-", "driving, field of view", 1, 5000, 5000),
    ZebSet("SCE", "SceneNetRGBD", "scenenet", "-", "living house", 170, 5100, 30),
    ZebSet("ICL", "ICL-NUIM", "iclnuim", "-", "hotel, office", 4, 5000, 1250),
    ZebSet("GTA", "GTA-SfM", "gtasfm", "-", "aerial, wild", 19, 5029, 410),
)

BY_DUMP = {row.dump: row for row in ZEB}
BY_FOLDER = {row.folder: row for row in ZEB}
