"""A step before or after the model of an ensemble: passes a text on, in another tensor, as tokenizers do."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils  # comes with the backend


class TritonPythonModel:
    """What the backend looks for."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.source = config["input"][0]["name"]
        self.target = config["output"][0]["name"]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        texts = pb_utils.get_input_tensor_by_name(request, self.source).as_numpy()
        return pb_utils.InferenceResponse([pb_utils.Tensor(self.target, texts.astype(np.object_))])
