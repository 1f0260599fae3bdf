"""Values as tensors, by what a model's metadata says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.endpoints.tensors import Interface, Tensor, interface_of, shape_and_bytes
from genai_perf.exceptions import UsageError

METADATA = {
    "name": "m",
    "inputs": [
        {"name": "text_input", "datatype": "BYTES", "shape": ["-1", "1"]},
        {"name": "seed", "datatype": "UINT64", "shape": ["-1", "1"]},
    ],
    "outputs": [{"name": "text_output", "datatype": "BYTES", "shape": ["-1", "-1"]}],
}


def tensor(datatype, *dims, batched=False):
    return Interface("m", "", {"x": Tensor("x", datatype, dims)}, {}, batched)


def test_an_interface_is_read_from_metadata_and_configuration():
    config = {
        "max_batch_size": 64,
        "input": [{"name": "text_input"}, {"name": "seed", "optional": True}],
        "model_transaction_policy": {"decoupled": True},
        "ensemble_scheduling": {"step": [{"model_name": "a"}, {"model_name": "b"}]},
    }
    assert Interface(
        model="m",
        version="2",
        inputs={
            "text_input": Tensor("text_input", "BYTES", (1,)),
            "seed": Tensor("seed", "UINT64", (1,), True),
        },
        outputs={"text_output": Tensor("text_output", "BYTES", (-1,))},
        is_batched=True,
        is_decoupled=True,
        steps=("a", "b"),
    ) == interface_of(METADATA, config, "2")


def test_without_a_batch_dimension_shapes_are_whole():
    interface = interface_of(METADATA, {}, "")
    assert (-1, 1) == interface.inputs["text_input"].dims
    assert (False, False, ()) == (interface.is_batched, interface.is_decoupled, interface.steps)


@pytest.mark.parametrize(
    ("dims", "given", "shape"),
    [
        ((1,), [5], [1]),
        ((1,), 5, [1]),
        ((-1,), [5], [1]),
        ((-1,), [5, 6, 7], [3]),
        ((), [5], []),
        ((2, 2), [[1, 2], [3, 4]], [2, 2]),
        ((2, -1), [1, 2, 3, 4, 5, 6], [2, 3]),
        ((-1, -1), [1, 2, 3], [1, 3]),
        ((-1, 2), [1, 2, 3, 4], [2, 2]),
        ((-1,), {"content": [1, 2], "shape": [2]}, [2]),
        ((-1, -1), {"content": [1, 2, 3, 4], "shape": [2, 2]}, [2, 2]),
        ((-1,), [], [0]),
    ],
)
def test_open_dimensions_are_as_large_as_the_values_need(dims, given, shape):
    assert shape == shape_and_bytes(tensor("INT32", *dims), "x", given)[0]
    assert [1, *shape] == shape_and_bytes(tensor("INT32", *dims, batched=True), "x", given)[0]


@pytest.mark.parametrize(
    ("datatype", "dims", "given", "shape", "message"),
    [
        ("INT32", (1,), [1, 2], (), "wants INT32[1], not 2 values"),
        ("INT32", (2, -1), [1, 2, 3], (), "wants INT32[2, -1], not 3 values"),
        ("INT32", (-1,), [1, 2], (3,), "wants INT32[-1], not the shape [3]"),
        ("INT32", (2,), [1], (1,), "wants INT32[2], not the shape [1]"),
        ("INT32", (1,), ["many"], (), "wants INT32[1], not 'many'"),
        ("INT32", (1,), [True], (), "wants INT32[1], not True"),
        ("INT32", (1,), [1.5], (), "wants INT32[1], not 1.5"),
        ("INT32", (1,), [None], (), "wants INT32[1], not None"),
        ("INT32", (1,), [2**31], (), "wants INT32[1], not 2147483648"),
        ("UINT8", (1,), [-1], (), "wants UINT8[1], not -1"),
        ("BOOL", (1,), [1], (), "wants BOOL[1], not 1"),
        ("BOOL", (1,), ["yes"], (), "wants BOOL[1], not 'yes'"),
        ("BYTES", (1,), [5], (), "wants BYTES[1], not 5"),
        ("FP32", (1,), ["hot"], (), "wants FP32[1], not 'hot'"),
        ("FP32", (1,), [1e300], (), "wants FP32[1], not 1e+300"),
        ("FP16", (1,), [1e9], (), "wants FP16[1], not 1000000000.0"),
        ("FP32", (2,), [1, True], (), "wants FP32[2], not [1, True]"),
        ("FP4", (1,), [1], (), "is FP4, which cannot be sent"),
    ],
)
def test_a_wrong_value_says_what_the_model_wants(datatype, dims, given, shape, message):
    with pytest.raises(UsageError) as raised:
        shape_and_bytes(tensor(datatype, *dims), "x", given, shape)
    assert f"model m: input 'x' {message}" == raised.value.message


@pytest.mark.parametrize("text", ["-1", "-0.5", "1e-3"])
def test_a_number_that_came_as_text_is_refused_with_how_to_write_it(text):
    with pytest.raises(UsageError) as raised:
        shape_and_bytes(tensor("FP32", 1), "x", [text])
    assert raised.value.hint.endswith(f"""as JSON: --extra-inputs '{{"x": {text}}}'""")


@pytest.mark.parametrize("text", ["hot", "null", "true", "[1]", ""])
def test_other_texts_are_no_numbers(text):
    with pytest.raises(UsageError) as raised:
        shape_and_bytes(tensor("FP32", 1), "x", [text])
    assert raised.value.hint is None


NUMPY = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip


@pytest.mark.parametrize("datatype", NUMPY)
@given(data=st.data())
def test_numbers_are_laid_out_as_numpy_lays_them_out(datatype, data):
    kind = NUMPY[datatype]
    if datatype == "BOOL":
        element = st.booleans()
    elif datatype.startswith("FP"):
        element = st.floats(width=int(datatype[2:]), allow_nan=False)
    else:
        limits = np.iinfo(kind)
        element = st.integers(int(limits.min), int(limits.max))
    values = data.draw(st.lists(element, max_size=8))
    assert np.array(values, kind).tobytes() == shape_and_bytes(tensor(datatype, -1), "x", values)[1]


def test_a_bfloat_is_the_upper_half_of_a_float():
    assert bytes.fromhex("803f 20c0") == shape_and_bytes(tensor("BF16", -1), "x", [1.0, -2.5])[1]


@given(st.lists(st.text(), max_size=5))
def test_texts_stand_with_their_length_before_them(texts):
    _, raw = shape_and_bytes(tensor("BYTES", -1), "x", texts)
    assert b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts) == raw
