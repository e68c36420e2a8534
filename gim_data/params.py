"""``params.yaml``: read, overlaid with its profile, validated section by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    raw = read_yaml(path)
    check_shape(path, raw)
    profiles = raw.pop("profiles", None) or {}
    profile = raw.pop("profile", None)
    if profile is not None and profile not in profiles:
        known = sorted(map(str, profiles))
        raise GimError(f"{path}: profile {profile!r} is not among {known}", "set 'profile' to one of them")
    models = {name: load(target) for name, target in sections.items()}
    _check_known(path, raw, sections, "")
    for name, overlay in profiles.items():
        _check_known(path, overlay or {}, sections, f"profiles.{name}")
        if name != profile:
            _check_overlay(path, models, raw, overlay or {}, f"profiles.{name}.")
    raw = merge(raw, profiles.get(profile) or {})
    return {name: _validate(path, name, model, raw.get(name) or {}) for name, model in models.items()}


def read_yaml(path: Path) -> dict[Any, Any]:
    """What ``params.yaml`` says, not validated but for being a mapping.

    Raises:
        GimError: no file, unreadable, not UTF-8, not YAML, or something else than a mapping.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GimError(f"no {PARAMS_FILE} in {path.parent}", "run from the project folder or pass --root") from None
    except OSError as error:
        raise GimError(f"{path} cannot be read: {error}", "make it a file that you may read") from None
    except UnicodeDecodeError as error:
        raise GimError(f"{path} is not UTF-8: {error}", "save it as UTF-8, or restore it from git") from None
    except yaml.YAMLError as error:
        raise GimError(f"{path} is not YAML: {error}", "fix the line it names") from None
    if not isinstance(raw, dict):
        raise GimError(f"{path} does not hold a mapping of sections", "restore it from git")
    return raw


def check_shape(path: Path, raw: Mapping[Any, Any]) -> None:
    """Refuse a profile that is no name, and profiles, overlays and sections that are no mappings.

    Raises:
        GimError: naming the file and the field.
    """
    profile, profiles = raw.get("profile"), raw.get("profiles")
    if not isinstance(profile, str | None):
        raise GimError(f"{path}: profile is {profile!r}, not a name", "set it to the name of one of 'profiles'")
    _check_mapping(path, "profiles", profiles, "names with sections below them")
    for name, overlay in (profiles or {}).items():
        _check_mapping(path, f"profiles.{name}", overlay, "sections with their parameters")
    bases = {name: value for name, value in raw.items() if name not in ("profile", "profiles")}
    for prefix, values in (("", bases), *((f"profiles.{name}.", over) for name, over in (profiles or {}).items())):
        for name, value in (values or {}).items():
            _check_mapping(path, f"{prefix}{name}", value, "parameters with their values")


def _check_mapping(path: Path, field: str, value: object, content: str) -> None:
    if not isinstance(value, Mapping | None):
        raise GimError(
            f"{path}: {field} is {value!r}, not a mapping",
            f"write '{field.rpartition('.')[2]}:' with {content}, or leave it empty",
        )


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


def _check_known(path: Path, raw: Mapping[str, Any], sections: Mapping[str, str], where: str) -> None:
    unknown = sorted(map(str, set(raw) - set(sections)))
    if unknown:
        place = f" under {where}" if where else ""
        raise GimError(f"{path}: unknown section(s) {unknown}{place}", f"the sections are {sorted(sections)}")


def _check_overlay(
    path: Path, models: Mapping[str, Any], raw: Mapping[str, Any], overlay: Mapping[str, Any], where: str
) -> None:
    """Keys and types of a profile that is not active; what fields must be to each other matters once it is."""
    for name, values in overlay.items():
        try:
            models[name].model_validate(merge(raw.get(name) or {}, values or {}))
        except ValidationError as error:
            found = [e for e in error.errors() if e["loc"] and e["loc"][0] in (values or {})]
            if found:
                raise _invalid(path, where, name, found) from None


def _validate(path: Path, name: str, model: Any, raw: Any) -> Any:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _invalid(path, "", name, error.errors()) from None


def _invalid(path: Path, where: str, name: str, errors: Sequence[Any]) -> GimError:
    problems = "; ".join(f"{where}{'.'.join(map(str, (name, *e['loc'])))}: {e['msg']}" for e in errors)
    return GimError(f"{path}: {problems}", f"'gim params {name}' lists the parameters and their types")
