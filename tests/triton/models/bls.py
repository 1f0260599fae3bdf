"""A model that calls another one (business logic scripting), as TensorRT-LLM's `tensorrt_llm_bls` does.

And like that, an instance answers one request at a time, in the backend's own thread. To call from threads of
one's own ends the instance's process now and then, without a word ("Stub process is not healthy").
"""

import triton_python_backend_utils as pb_utils  # comes with the backend

CALLED = "engine"
RENAMED = {"text_input": "prompt", "max_tokens": "max_tokens", "stream": "stream"}
FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    """What the backend looks for."""

    def execute(self, requests):
        for request in requests:
            self.answer(request, request.get_response_sender())

    def answer(self, request, sender):
        try:
            for text in self.called(request):
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("text_output", text)]))
        except Exception as exc:  # noqa: BLE001  whatever it is, the client must hear of it
            error = pb_utils.TritonError(str(exc))
            sender.send(pb_utils.InferenceResponse(error=error), flags=FINAL)
        else:
            sender.send(flags=FINAL)

    def called(self, request):
        given = {name: pb_utils.get_input_tensor_by_name(request, name) for name in RENAMED}
        tensors = [
            pb_utils.Tensor(RENAMED[name], tensor.as_numpy()) for name, tensor in given.items() if tensor
        ]
        call = pb_utils.InferenceRequest(model_name=CALLED, inputs=tensors, requested_output_names=["text"])
        for response in call.exec(decoupled=True):
            if response.has_error():
                raise ValueError(response.error().message())
            if response.output_tensors():  # the last one has none
                yield pb_utils.get_output_tensor_by_name(response, "text").as_numpy()
