"""What a file's input wants: pixels, or numbers whose meaning is stated, or told by its metadata or quantisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation, usual_normalisations
from ssdbench.errors import UserError
from ssdbench.runtimes.input_form import input_form

MODEL = Path("folder/model.onnx")
IMAGE = (1, 8, 8, 3)
ALL_VALUES = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
IMAGENET = usual_normalisations()["ImageNet's mean and deviation"]


def quantisation_of(normalisation: Normalisation, dtype: str = "int8") -> tuple[float, int]:
    """The scale and zero point of a quantised input that holds just the range of a normalisation."""
    low, high = normalisation.ends
    scale = (high - low) / 255
    return scale, int(np.iinfo(dtype).min - round(low / scale))


def test_int8_inputs_are_fed_their_normalisation_through_their_own_scale() -> None:
    inputs = {"image": ("int8", IMAGE)}
    zero_to_one = Normalisation(1 / 255, 0)
    form = input_form(MODEL, inputs, zero_to_one, (1 / 255, -128))
    assert form.feed(ALL_VALUES)[..., 0].ravel().tolist() == list(range(-128, 128))
    with pytest.raises(UserError, match=r"from 0 to 1, but pixel \* 2/255 - 1 is stated, which is -1 to 1: .*`mean`"):
        input_form(MODEL, inputs, MOBILENET_SSD, (1 / 255, -128))
    # Calibration on dull images leaves out a little at both ends.
    assert input_form(MODEL, inputs, MOBILENET_SSD, (1.8 / 255, 0)).table is not None


def test_a_range_that_a_normalisation_hardly_uses_is_refused_though_little_is_cut_off() -> None:
    # Of -1 to 1 in 0 to 255, exactly a quarter of the pixel values would be cut off, and all others be 0 or 1.
    with pytest.raises(UserError, match="from 0 to 255, but pixel"):
        input_form(MODEL, {"image": ("int8", IMAGE)}, MOBILENET_SSD, (1.0, -128))


@given(
    st.sampled_from(sorted(usual_normalisations())),
    st.sampled_from(["int8", "uint8"]),
    st.floats(0.93, 1.03),
)
def test_the_range_of_a_quantised_input_tells_the_usual_normalisations_apart(
    name: str, dtype: str, narrowed: float
) -> None:
    normalisation = usual_normalisations()[name]
    scale, zero_point = quantisation_of(normalisation, dtype)
    scale *= narrowed
    form = input_form(MODEL, {"image": (dtype, IMAGE)}, None, (scale, zero_point))
    assert form.normalisation == normalisation
    assert name in form.found_by
    fed = (form.feed(ALL_VALUES).astype(np.float64) - zero_point) * scale
    wanted = ALL_VALUES * np.array(normalisation.scales) + np.array(normalisation.offsets)
    span = normalisation.ends[1] - normalisation.ends[0]
    assert np.abs(fed - wanted).max() < 0.08 * span


def test_a_quantised_range_that_no_usual_normalisation_has_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"holds numbers from -40 to 215, which is not .* state the `mean` and `std`"):
        input_form(MODEL, {"image": ("int8", IMAGE)}, None, (1.0, -88))


def test_each_channel_has_its_own_mean_and_deviation_in_the_order_in_which_it_is_fed() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    wanted = (pixels - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    form = input_form(MODEL, {"image": ("float32", (None, 5, 7, 3))}, IMAGENET)
    np.testing.assert_allclose(form.feed(pixels), wanted, atol=1e-5)
    assert form.size == (5, 7)
    first = input_form(MODEL, {"image": ("float32", (None, 3, 5, 7))}, IMAGENET)
    np.testing.assert_allclose(first.feed(pixels), wanted.transpose(0, 3, 1, 2), atol=1e-5)
    blue = Normalisation.of_mean_and_std([1, 2, 3], [4, 5, 6], "bgr")
    form = input_form(MODEL, {"image": ("float32", (None, 5, 7, 3))}, blue)
    np.testing.assert_allclose(form.feed(pixels), (pixels[..., ::-1] - [1, 2, 3]) / np.array([4, 5, 6]), atol=1e-5)


def test_a_float_input_that_nobody_states_is_not_told() -> None:
    assert input_form(MODEL, {"image": ("float32", IMAGE)}, None).found_by == ""
    metadata = input_form(MODEL, {"image": ("float32", IMAGE)}, None, None, IMAGENET)
    assert (metadata.normalisation, metadata.found_by) == (IMAGENET, "found by the file's own metadata")
    stated = input_form(MODEL, {"image": ("float32", IMAGE)}, MOBILENET_SSD, None, IMAGENET)
    assert (stated.normalisation, stated.found_by) == (MOBILENET_SSD, "stated")


def test_metadata_that_contradict_the_quantisation_give_way_to_it() -> None:
    form = input_form(MODEL, {"image": ("uint8", IMAGE)}, None, (1 / 128, 128), Normalisation(1, 0))
    assert form.normalisation == MOBILENET_SSD
    assert form.table is None
    assert "range of its quantisation" in form.found_by


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"a": ("uint8", (1, 8, 8, 3)), "b": ("uint8", (1, 8, 8, 3))},
        {"text": ("string", (1,))},
        {"image": ("uint8", (1, 8, 8, 1))},
        {"image": ("int64", (1, 8, 8, 3))},
        {"image": ("int8", (1, 8, 8, 3))},
    ],
)
def test_inputs_that_are_no_pixels_are_listed(inputs: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    with pytest.raises(UserError) as raised:
        input_form(MODEL, inputs, MOBILENET_SSD)
    assert str(MODEL) in str(raised.value)
    assert all(name in str(raised.value) and dtype in str(raised.value) for name, (dtype, _) in inputs.items())
