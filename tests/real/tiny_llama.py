"""A tiny random Llama, made on the spot in half a second: nothing of it is committed or fetched.

Its answers are as long as they are asked to be, in printable text: channel 0 is a constant through the whole
net, and the output layer reads from it that special and unprintable tokens are out of the question.
"""

import json
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

NAME = "tiny-llama"
GGUF = "tiny.gguf"
CONTEXT = 8192
SPECIAL = ("<|bos|>", "<|eos|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>", "<|end|>")
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEMPLATE_TOKENS = 3
"""What the template adds to a chat of one message: <|user|>, <|end|> and <|assistant|>."""

_VOCABULARY, _HIDDEN, _LAYERS, _HEADS, _KV_HEADS, _FFN = 2048, 64, 2, 2, 1, 128
_HEAD = _HIDDEN // _HEADS


def make(directory: Path) -> Path:
    """Write `tokenizer.json` and its config, and the model for llama.cpp; the model's file."""
    tokenizer = _tokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    named = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHAT_TEMPLATE, **named}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    _write_gguf(directory / GGUF, tokenizer)
    return directory / GGUF


def _tokenizer() -> Tokenizer:
    """A byte-level BPE, trained on the manual that every CPython carries."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(topics.values(), trainer)
    return tokenizer


def _weights(tokenizer: Tokenizer) -> dict[str, Any]:
    rng = np.random.default_rng(1)

    def normal(*shape: int) -> Any:
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    def ones() -> Any:
        return np.ones(_HIDDEN, np.float32)

    embedding, output = normal(_VOCABULARY, _HIDDEN), normal(_VOCABULARY, _HIDDEN)
    embedding[:, 0] = 4.0
    output[:, 0] = [0.0 if _is_printable(tokenizer, token) else -50.0 for token in range(_VOCABULARY)]
    tensors = {"token_embd": embedding, "output": output, "output_norm": ones()}
    for layer in range(_LAYERS):
        attention, down = normal(_HIDDEN, _HIDDEN), normal(_HIDDEN, _FFN)
        attention[0] = down[0] = 0.0  # nothing is ever added to channel 0
        tensors |= {
            f"blk.{layer}.attn_norm": ones(),
            f"blk.{layer}.attn_q": normal(_HIDDEN, _HIDDEN),
            f"blk.{layer}.attn_k": normal(_HEAD * _KV_HEADS, _HIDDEN),
            f"blk.{layer}.attn_v": normal(_HEAD * _KV_HEADS, _HIDDEN),
            f"blk.{layer}.attn_output": attention,
            f"blk.{layer}.ffn_norm": ones(),
            f"blk.{layer}.ffn_gate": normal(_FFN, _HIDDEN),
            f"blk.{layer}.ffn_up": normal(_FFN, _HIDDEN),
            f"blk.{layer}.ffn_down": down,
        }
    return tensors


def _is_printable(tokenizer: Tokenizer, token: int) -> bool:
    text: str = tokenizer.decode([token])  # empty for a special token
    return text != "" and text.isascii() and text.isprintable()


def _write_gguf(path: Path, tokenizer: Tokenizer) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(NAME)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_HIDDEN)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FFN)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_rope_dimension_count(_HEAD)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(_VOCABULARY)

    bpe = json.loads(tokenizer.to_str())["model"]
    kinds = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(sorted(bpe["vocab"], key=bpe["vocab"].__getitem__))
    writer.add_token_types([kinds[token >= len(SPECIAL)] for token in range(_VOCABULARY)])
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_bos_token_id(SPECIAL.index("<|bos|>"))
    writer.add_eos_token_id(SPECIAL.index("<|eos|>"))
    writer.add_pad_token_id(SPECIAL.index("<|pad|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)

    for name, tensor in _weights(tokenizer).items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
