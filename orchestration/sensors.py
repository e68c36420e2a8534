"""Keeping Dagster's list of videos as ``params.yaml`` has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import dagster as dg

from gim_data.runner import Runner
from orchestration.partitions import VIDEOS
from orchestration.workspace import video_keys

SECONDS = 30


def changes(present: Iterable[str], wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """Which keys to add and which to delete, each in the order given."""
    had, want = list(present), list(wanted)
    return [key for key in want if key not in had], [key for key in had if key not in want]


def sync(instance: dg.DagsterInstance, wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """Bring an instance's video partitions to ``wanted``; returns the keys added and deleted."""
    name = str(VIDEOS.name)
    added, deleted = changes(instance.get_dynamic_partitions(name), wanted)
    if added:
        instance.add_dynamic_partitions(name, added)
    for key in deleted:
        instance.delete_dynamic_partition(name, key)
    return added, deleted


def videos_sensor(open_runner: Callable[[], Runner]) -> dg.SensorDefinition:
    """A sensor that adds and deletes video partitions when the corpus in ``params.yaml`` changes."""

    @dg.sensor(
        name="videos_sensor",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds and removes video partitions as params.yaml lists them.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        wanted = video_keys(open_runner())
        added, deleted = changes(context.instance.get_dynamic_partitions(str(VIDEOS.name)), wanted)
        requests = [VIDEOS.build_add_request(added)] if added else []
        removals = [VIDEOS.build_delete_request(deleted)] if deleted else []
        if not added and not deleted:
            return dg.SkipReason("the partitions are as params.yaml lists them")
        return dg.SensorResult(dynamic_partitions_requests=[*requests, *removals])

    return sensor
