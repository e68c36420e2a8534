"""The one table of ZEB's twelve data sets: every name that the paper, the archives and the dumps use for them."""

from __future__ import annotations

from dataclasses import dataclass

from gim_data.types import Size


@dataclass(frozen=True)
class ZebSet:
    """One data set of ZEB as released (GIM.md 4.1, 4.3, 4.4).

    Attributes:
        short: three letters, as in the paper's table.
        dump: name in the result dumps.
        folder: folder in the archives.
        separator: between scene and image names in file names.
        scenario: what it shows.
        scenes, pairs: how many the release holds.
        scene_cap: most pairs of one scene.
        size: (width, height) of most images; some data sets have several.
        side_cap: long side to which GIM reduces the images before it matches them; 0 where it takes them as they are.
    """

    short: str
    dump: str
    folder: str
    separator: str
    scenario: str
    scenes: int
    pairs: int
    scene_cap: int
    size: Size
    side_cap: int = 0


ZEB = (
    ZebSet("GL3", "GL3D", "gl3d", "_", "aerial, wild", 430, 5165, 13, (1000, 1000)),
    ZebSet("BLE", "BlendedMVS", "blendedmvs", "_", "objects", 113, 5049, 64, (1000, 1000)),
    ZebSet("ETI", "ETH3DI", "eth3di", "-", "basement, corridor", 7, 2131, 10000, (6000, 4136), 1600),
    ZebSet("ETO", "ETH3DO", "eth3do", "-", "school, park", 6, 3438, 10000, (6000, 4136), 1600),
    ZebSet("KIT", "KITTI", "kitti", "-", "driving", 9, 5013, 685, (1226, 370), 1240),
    ZebSet("WEA", "RobotcarWeather", "robotcarweather", "_", "weather", 5, 1834, 500, (1280, 960)),
    ZebSet("SEA", "RobotcarSeason", "robotcarseason", "_", "season", 1, 1077, 2000, (1280, 960)),
    ZebSet("NIG", "RobotcarNight", "robotcarnight", "_", "night, sunlight", 5, 2080, 500, (1280, 960)),
    ZebSet("MUL", "Multi-FoV", "multifov", "-", "driving, field of view", 1, 5000, 5000, (640, 480)),
    ZebSet("SCE", "SceneNetRGBD", "scenenet", "-", "living house", 170, 5100, 30, (320, 240)),
    ZebSet("ICL", "ICL-NUIM", "iclnuim", "-", "hotel, office", 4, 5000, 1250, (640, 480)),
    ZebSet("GTA", "GTA-SfM", "gtasfm", "-", "aerial, wild", 19, 5029, 410, (640, 480)),
)

BY_DUMP = {row.dump: row for row in ZEB}
BY_FOLDER = {row.folder: row for row in ZEB}
