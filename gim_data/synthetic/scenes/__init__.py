"""Scenes by name; each module has ``build(spec) -> Scene``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gim_data.stage import load

if TYPE_CHECKING:
    from gim_data.synthetic.scenes.geometry import Scene
    from gim_data.synthetic.spec import SyntheticSpec


def build_scene(spec: SyntheticSpec) -> Scene:
    """The scene a spec names, built from its seed and texture pool."""
    scene: Scene = load(f"gim_data.synthetic.scenes.{spec.scene}:build")(spec)
    return scene
