"""Kill -9 at random moments of labelling and propagation: after the next run nothing tells that it happened."""

import multiprocessing
import time

import numpy as np
import pytest
from kill_corpus import make_everything, store

pytestmark = pytest.mark.slow
KILLS = 20


@pytest.fixture(scope="module")
def context():
    """Children of a server that has imported everything and used nothing: no thread pool is forked half-alive."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["kill_corpus"])
    return made


@pytest.fixture(scope="module")
def undisturbed(context, tmp_path_factory):
    """The store of a run that nobody killed, and how long it took."""
    root = tmp_path_factory.mktemp("undisturbed")
    for attempt in ("warm", "timed"):
        began = time.monotonic()
        child = context.Process(target=make_everything, args=(root / attempt,))
        child.start()
        child.join()
        assert child.exitcode == 0
    return store(root / "timed"), time.monotonic() - began


def test_two_runs_make_the_same_bytes(undisturbed, tmp_path):
    expected = undisturbed[0]
    make_everything(tmp_path)
    assert store(tmp_path) == expected
    assert {name.split("/")[1] for name in expected} == {"frames", "matches", "tracks"}
    assert {"rootsift-s0.333-p1.parquet", "rootsift-s0.333-p2.parquet"} <= {name.split("/")[-1] for name in expected}


def test_after_a_kill_the_next_run_makes_the_same_bytes(context, undisturbed, tmp_path):
    expected, duration = undisturbed
    moments = np.random.default_rng(0).permutation(np.linspace(0.02, 0.98, KILLS)) * duration
    killed = 0
    for number, moment in enumerate(moments):
        root = tmp_path / str(number)
        child = context.Process(target=make_everything, args=(root,))
        child.start()
        child.join(timeout=moment)
        child.kill()
        child.join()
        killed += child.exitcode != 0
        partial = store(root)
        assert all(expected[name] == found for name, found in partial.items())  # what is there is whole and right
        make_everything(root)
        assert store(root) == expected
    assert killed


def test_a_run_that_is_killed_again_and_again_gets_there(context, undisturbed, tmp_path):
    expected, duration = undisturbed
    for moment in np.random.default_rng(1).uniform(0.3, 0.9, 5) * duration:
        child = context.Process(target=make_everything, args=(tmp_path,))
        child.start()
        child.join(timeout=moment)
        child.kill()
        child.join()
    make_everything(tmp_path)
    assert store(tmp_path) == expected
