"""A workspace is the folder of ``params.yaml``; here it is found and opened."""

from __future__ import annotations

import os
from pathlib import Path

from gim_data.errors import GimError
from gim_data.params import PARAMS_FILE, read_params
from gim_data.runner import Runner
from gim_data.stage import Params, Progress, Silent
from gim_models.registry import check_matcher, check_teacher
from orchestration.graph import GRAPH, SECTIONS

ROOT_VARIABLE = "GIM_ROOT"


def find_root(start: Path | None = None) -> Path:
    """The workspace: ``$GIM_ROOT``, else the nearest folder at or above ``start`` that holds ``params.yaml``.

    Args:
        start: where to look from; the working directory by default.

    Raises:
        GimError: none was found.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named and start is None:
        return Path(named).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / PARAMS_FILE).is_file():
            return folder
    raise GimError(f"no {PARAMS_FILE} in {here} or above it", "run from the project folder or pass --root")


def open_params(root: Path) -> Params:
    """The workspace's parameters, whose matchers and teachers all have names that the registry knows.

    Raises:
        GimError: parameters that do not validate, or an unknown name; no model is opened to see that.
    """
    params = read_params(root, SECTIONS)
    labels = params["labels"]
    named = [("labels.teachers", name, check_teacher) for name in labels.teachers]
    named += [("labels.keypoints_of", name, check_teacher) for name in labels.keypoints_of]
    named += [("evaluate.baselines", name, check_matcher) for name in params["evaluate"].baselines]
    for field, name, check in named:
        try:
            check(name)
        except GimError as error:
            raise GimError(f"{root / PARAMS_FILE}: {field}: {error.problem}", error.remedy) from None
    return params


def open_runner(root: Path, progress: Progress | None = None) -> Runner:
    """A runner over the project's graph with the workspace's parameters.

    Raises:
        GimError: parameters that do not validate.
    """
    return Runner(GRAPH, open_params(root), root, progress or Silent())


def video_keys(runner: Runner) -> list[str]:
    """The keys of the videos in the corpus, in its order."""
    stages = [stage for stage in runner.graph.values() if stage.axis.name == "video"]
    return runner.keys(stages[0]) if stages else []
