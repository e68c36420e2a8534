"""``params.yaml``: read, overlaid with its profile, validated section by section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gim_data.errors import GimError
from gim_data.stage import Params, load

PARAMS_FILE = "params.yaml"


def merge(base: Any, overlay: Any) -> Any:
    """``base`` with ``overlay`` on top: mappings merge key by key, everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(overlay, Mapping):
        return {**base, **{key: merge(base.get(key), value) for key, value in overlay.items()}}
    return overlay


def read_params(root: Path, sections: Mapping[str, str]) -> Params:
    """Read and validate the workspace's parameters.

    Args:
        root: folder of ``params.yaml``.
        sections: section name -> ``"module:Class"`` of the pydantic model beside the code it configures.

    Returns:
        section name -> frozen model, with the profile named under ``profile`` laid over the base values.

    Raises:
        GimError: no file, not YAML, an unknown profile, section or key, or a value of the wrong type.
    """
    path = root / PARAMS_FILE
    raw = _read_yaml(path)
    profiles = raw.pop("profiles", None) or {}
    profile = raw.pop("profile", None)
    if profile is not None and profile not in profiles:
        raise GimError(f"{path}: profile {profile!r} is not among {sorted(profiles)}", "set 'profile' to one of them")
    for name, overlay in profiles.items():
        _check_known(path, overlay or {}, sections, f"profiles.{name}")
    raw = merge(raw, profiles.get(profile) or {})
    _check_known(path, raw, sections, "")
    return {name: _validate(path, name, load(target), raw.get(name) or {}) for name, target in sections.items()}


def dump(params: Params, keys: tuple[str, ...]) -> dict[str, Any]:
    """The named parameters as JSON values, for digests.

    Args:
        params: the validated sections.
        keys: ``section``, or ``section.field`` where a stage depends on single fields. Fields declared with
            ``exclude=True`` change how fast bytes are made and not which; they are in no digest.
    """
    dumped: dict[str, Any] = {}
    for key in keys:
        section, _, field = key.partition(".")
        values = params[section].model_dump(mode="json")
        dumped[key] = values[field] if field else values
    return dumped


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise GimError(f"no {PARAMS_FILE} in {path.parent}", "run from the project folder or pass --root") from None
    except yaml.YAMLError as error:
        raise GimError(f"{path} is not YAML: {error}", "fix the line it names") from None
    if not isinstance(raw, dict):
        raise GimError(f"{path} does not hold a mapping of sections", "restore it from git")
    return raw


def _check_known(path: Path, raw: Mapping[str, Any], sections: Mapping[str, str], where: str) -> None:
    unknown = sorted(set(raw) - set(sections))
    if unknown:
        place = f" under {where}" if where else ""
        raise GimError(f"{path}: unknown section(s) {unknown}{place}", f"the sections are {sorted(sections)}")


def _validate(path: Path, name: str, model: Any, raw: Any) -> Any:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, (name, *e['loc'])))}: {e['msg']}" for e in error.errors())
        raise GimError(f"{path}: {problems}", f"'gim params {name}' lists the parameters and their types") from None
