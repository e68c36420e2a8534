"""Stage ``zeb_predictions``: every benchmark pair matched once by one matcher."""

from __future__ import annotations

from collections.abc import Sequence

from gim_data.bench.frozen import is_released, read_frozen
from gim_data.bench.names import BY_FOLDER
from gim_data.errors import GimError
from gim_data.stage import Job, Summary
from gim_data.types import Matcher, TwoViewPair
from gim_models.evaluation.baselines import distinct_keys, located
from gim_models.evaluation.bench import read_bench
from gim_models.evaluation.config import EvaluateConfig
from gim_models.evaluation.predict import predict
from gim_models.evaluation.prediction_store import Journal, count_matches, write_predictions


def make_predictions(job: Job) -> Summary:
    """Match every pair of every sequence; one ``<sequence>.parquet`` each.

    What was matched is kept in the scratch folder batch by batch, so that a killed attempt goes on where it was.

    Raises:
        GimError: the matcher cannot be opened, or a model was not made.
    """
    config: EvaluateConfig = job.params["evaluate"]
    sequences = read_bench(job.inputs["bench"]["all"])
    matcher = open_unit(job, config)
    pairs = sum(len(listed) for listed in sequences.values())
    job.progress.start(f"matching by {job.unit}", pairs)
    for name, listed in sequences.items():
        journal = Journal(job.scratch / name)
        match_rest(matcher, listed, journal, config, job, name)
        write_predictions(job.out / f"{name}.parquet", journal.read())
    found = sum(count_matches(job.out / f"{name}.parquet") for name in sequences)
    return {"pairs": pairs, "sequences": len(sequences), "matches_per_pair": found / max(1, pairs)}


def match_rest(
    matcher: Matcher, pairs: Sequence[TwoViewPair], journal: Journal, config: EvaluateConfig, job: Job, note: str
) -> None:
    """Match the pairs of one sequence that its journal does not hold, and enter them."""
    known = len(journal)
    job.progress.advance(known, note)
    rest = pairs[known:]
    side = long_side(note, pairs, config.max_side)
    for batch in predict(matcher, rest, max_side=side, progress=job.progress, note=note):
        journal.enter(batch)
    journal.flush()


def long_side(sequence: str, pairs: Sequence[TwoViewPair], max_side: int) -> int:
    """The long side that the images of a sequence are reduced to before they are matched; 0 for as they are.

    ``max_side`` holds for every sequence. Where it is larger, or 0, ZEB's own data sets have the cap under which the
    published numbers were made (GIM.md 4.4): it never enlarges, and never undoes a smaller ``max_side``.
    """
    row = BY_FOLDER.get(sequence)
    if row is None or not row.side_cap or 0 < max_side <= row.side_cap:
        return max_side
    return row.side_cap if is_released(read_frozen(), sequence, [pair.identifier for pair in pairs]) else max_side


def open_unit(job: Job, config: EvaluateConfig) -> Matcher:
    """The matcher of a unit: a baseline by its name, a model by the folder it was trained into.

    Raises:
        GimError: it cannot be opened.
    """
    from gim_models.registry import open_matcher

    baselines = distinct_keys(config.baselines)
    if job.unit in baselines:
        return open_matcher(located(baselines[job.unit], job.root), device=config.device)
    folder = job.inputs.get("model", {}).get(job.unit)
    if folder is None:
        raise GimError(f"model {job.unit} was not made", f"run 'gim run model' and see why {job.unit} was skipped")
    return open_matcher(f"student:{folder}", device=config.device)
