"""A language model as Triton's Python backend runs it: decoupled, with vLLM's or TensorRT-LLM's tensors.

It answers with the words of a sentence, over and over; a word is a token. The first comes after PREFILL_S,
each other one TOKEN_S later, however many requests are in flight. "please fail" in the prompt makes it fail
at once, "fail later" after two tokens, and "say nothing" makes its first token an empty text.

`parameters` of its config name the tensors of the prompt and of the text, and a file, if any, for the truth:
a line for each answer, with the instants (ns) at which its tokens were sent.
"""

import asyncio
import json
import threading
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils  # comes with the backend

SENTENCE = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
PREFILL_S = 0.02
TOKEN_S = 0.004
FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    """What the backend looks for."""

    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.is_batched = config["max_batch_size"] > 0
        self.names = {name: value["string_value"] for name, value in config["parameters"].items()}
        self.outputs = {output["name"] for output in config["output"]}
        self.in_flight = set()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def execute(self, requests):
        for request in requests:
            answering = asyncio.run_coroutine_threadsafe(self.answer(request), self.loop)
            self.in_flight.add(answering)
            answering.add_done_callback(self.in_flight.discard)

    def finalize(self):
        for answering in list(self.in_flight):
            answering.result()
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def answer(self, request):
        sender = request.get_response_sender()
        try:
            await self.stream(request, sender)
        except Exception as exc:  # noqa: BLE001  whatever it is, the client must hear of it
            error = pb_utils.TritonError(str(exc))
            sender.send(pb_utils.InferenceResponse(error=error), flags=FINAL)

    async def stream(self, request, sender):
        prompt = self.value(request, self.names["prompt"]).decode()
        if "please fail" in prompt:
            raise ValueError("the model fails, as it was asked to")
        is_streamed = bool(self.value(request, "stream", False))
        is_counted = bool(self.value(request, "return_num_output_tokens", False))
        words = islice(cycle(SENTENCE), self.max_tokens(request))
        said, sent_ns = [], []
        await asyncio.sleep(PREFILL_S)
        for number, word in enumerate(words):
            if number:
                await asyncio.sleep(TOKEN_S)
            if request.is_cancelled():
                break
            text = f" {word}" if number else word
            if number == 0 and "say nothing" in prompt:
                text = ""
            if number == 2 and "fail later" in prompt:
                raise ValueError("the model fails later, as it was asked to")
            said.append(text)
            if is_streamed:
                sent_ns.append(time.monotonic_ns())
                sender.send(self.response(text, is_counted, prompt, 1))
        if not is_streamed:
            echo = "" if bool(self.value(request, "exclude_input_in_output", False)) else prompt
            sender.send(self.response(echo + "".join(said), is_counted, prompt, len(said)))
        sender.send(flags=FINAL)
        self.note(sent_ns)

    def note(self, sent_ns):
        if "truth" in self.names:
            with Path(self.names["truth"]).open("a") as file:
                file.write(f"{json.dumps(sent_ns)}\n")

    def value(self, request, name, default=None):
        tensor = pb_utils.get_input_tensor_by_name(request, name)
        return default if tensor is None else tensor.as_numpy().reshape(-1)[0]

    def max_tokens(self, request):
        given = self.value(request, "max_tokens")
        if given is None:
            sampling = self.value(request, "sampling_parameters")
            asked = json.loads(sampling if sampling is not None else request.parameters() or "{}")
            given = asked.get("max_tokens", 16)
        return int(given)

    def response(self, text, is_counted, prompt, tokens):
        tensors = [self.tensor(self.names["text"], np.array([text.encode()], dtype=np.object_))]
        if is_counted:
            tensors.append(self.tensor("num_output_tokens", np.array([tokens], dtype=np.uint32)))
            tensors.append(self.tensor("num_input_tokens", np.array([len(prompt.split())], dtype=np.uint32)))
        return pb_utils.InferenceResponse(output_tensors=tensors)

    def tensor(self, name, array):
        return pb_utils.Tensor(name, array.reshape(1, -1) if self.is_batched else array)
