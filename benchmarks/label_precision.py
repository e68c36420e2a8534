"""How many labels are right: direct matches per teacher and skip, propagated ones per hop count, on exact truth.

    python benchmarks/label_precision.py --teachers rootsift xfeat+lighterglue --out results/label_precision

``gim labels audit`` with every knob in reach: several joining rules on the same direct labels, other propagation
parameters, direct labels kept between runs. Writes ``<out>.json`` and ``<out>.md`` and prints the latter.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from result_files import publish

from gim_data.labels.audit import markdown
from gim_data.labels.config import LabelsConfig
from gim_data.propagation.config import PropagationConfig
from gim_models.audit import WORLDS, audit_worlds


def main() -> None:
    """Read the arguments, run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", default=WORLDS)
    parser.add_argument("--teachers", nargs="+", default=["rootsift", "xfeat+lighterglue"])
    parser.add_argument("--links", nargs="+", default=["cell", "radius"])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--interval", type=float, default=1 / 3)
    parser.add_argument("--keypoints", type=int, default=4096)
    parser.add_argument("--zoom", type=float, default=None, help="a second pass where it magnifies this much")
    parser.add_argument("--propagation", default="{}", help="JSON of other propagation parameters")
    parser.add_argument("--cache", type=Path, default=None, help="keep direct labels here between runs")
    parser.add_argument("--out", type=Path, default=None, help="path without suffix")
    args = parser.parse_args()
    zoom = None if args.zoom is None else {"least": args.zoom}
    labels = LabelsConfig.model_validate({"keypoints": args.keypoints, "teachers": args.teachers, "zoom": zoom})
    options = json.loads(args.propagation)
    rules = {f"propagated, {link}": PropagationConfig.model_validate({"link": link, **options}) for link in args.links}
    rows = audit_worlds(args.worlds, labels, rules, seconds=args.seconds, interval=args.interval, cache=args.cache)
    publish(args.out, rows, markdown(rows))


if __name__ == "__main__":
    main()
