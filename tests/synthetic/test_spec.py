import pytest
from hypothesis import given
from hypothesis import strategies as st

from gim_data.errors import GimError
from gim_data.synthetic.spec import SyntheticSpec

specs = st.builds(
    SyntheticSpec,
    scene=st.sampled_from(["street", "room", "terrain", "objects"]),
    seed=st.integers(0, 2**32 - 1),
    seconds=st.floats(0.01, 36_000),
    fps=st.floats(0.01, 240),
    width=st.integers(32, 2048).map(lambda n: 2 * n),
    fov=st.floats(10, 140),
    look=st.sampled_from(["day", "night", "mixed"]),
    path=st.sampled_from([None, "walk", "drone"]),
    pool=st.sampled_from(["train", "demo", "eval"]),
)


@given(specs)
def test_text_and_back(spec):
    assert SyntheticSpec.parse(str(spec)) == spec


def test_prefix_and_defaults():
    spec = SyntheticSpec.parse("synthetic:street?seed=7&look=night")
    assert (spec.scene, spec.seed, spec.look, spec.route) == ("street", 7, "night", "walk")
    assert str(SyntheticSpec.parse("room")) == "room"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("castle", "scene"),
        ("street?sead=1", "sead"),
        ("street?seed=one", "seed"),
        ("street?look=sunny", "look"),
        ("street?width=161", "width"),
        ("street?seconds=-1", "seconds"),
        ("street?seconds=nan", "seconds"),
        ("street?seed=1&seed=2", "twice"),
        ("street?seed", "seed"),
        ("street?fov=180", "fov"),
        ("", "scene"),
    ],
)
def test_bad_text_names_the_problem_and_the_remedy(text, named):
    with pytest.raises(GimError) as caught:
        SyntheticSpec.parse(text)
    assert named in caught.value.problem
    assert "write SCENE?" in caught.value.remedy


@pytest.mark.parametrize("text", ["street?path=orbit", "room?path=drive", "terrain?path=walk", "objects?path=drone"])
def test_a_path_that_a_scene_lacks_is_an_error(text):
    from gim_data.synthetic.render import open_world

    with pytest.raises(GimError, match="path"):
        open_world(text)
