"""What is in a body that is there."""

import pytest

from genai_perf.workload.bodies import images_in

IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
TEXT = {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 0),
        ({"messages": [{"content": "a"}], "input": "data:image/png;base64,"}, 0),
        ({"messages": [{"content": [TEXT, IMAGE]}, {"content": [IMAGE]}]}, 2),
        ({"messages": [{"content": [{"type": "image", "source": {}}]}]}, 1),
        ({"input": [IMAGE, IMAGE]}, 2),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]}, 1),
        ({"input": ["text", "data:image/png;base64,"]}, 1),
        ({"messages": None, "input": {"a": 1}}, 0),
        ({"messages": [None, 7, {"content": None}], "input": [7]}, 0),
    ],
)
def test_images_are_counted_in_messages_and_inputs(body, expected):
    assert expected == images_in(body)
