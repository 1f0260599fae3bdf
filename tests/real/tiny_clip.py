"""A tiny random CLIP tower and its projector, so that the tiny Llama sees: made on the spot, never committed.

What it sees means nothing, but every image is `IMAGE_TOKENS` more tokens of the prompt.
"""

from pathlib import Path
from typing import Any

import numpy as np

_IMAGE, _PATCH, _WIDTH, _FFN, _HEADS, _LAYERS = 56, 14, 32, 64, 2, 2
_OUT = 64
"""The Llama's hidden size."""
IMAGE_TOKENS = (_IMAGE // _PATCH) ** 2


def make(path: Path) -> Path:
    """Write the projector's file for llama.cpp (`mmproj`)."""
    import gguf

    writer = gguf.GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    for name, number in (
        ("image_size", _IMAGE),
        ("patch_size", _PATCH),
        ("embedding_length", _WIDTH),
        ("feed_forward_length", _FFN),
        ("projection_dim", _OUT),
        ("block_count", _LAYERS),
        ("attention.head_count", _HEADS),
    ):
        writer.add_uint32(f"clip.vision.{name}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    for name, tensor in _weights().items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _weights() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    tensors: dict[str, Any] = {}

    def add(name: str, *shape: int) -> None:
        """A matrix that is drawn, or a norm of ones; and a bias of zeros."""
        is_norm = len(shape) == 1
        tensors[f"{name}.weight"] = (np.ones(shape) if is_norm else rng.standard_normal(shape) * 0.1).astype(
            "f4"
        )
        tensors[f"{name}.bias"] = np.zeros(shape[:1], "f4")

    tensors["v.class_embd"] = (rng.standard_normal(_WIDTH) * 0.1).astype("f4")
    tensors["v.patch_embd.weight"] = (rng.standard_normal((_WIDTH, 3, _PATCH, _PATCH)) * 0.1).astype("f4")
    tensors["v.position_embd.weight"] = (rng.standard_normal((IMAGE_TOKENS + 1, _WIDTH)) * 0.1).astype("f4")
    add("v.pre_ln", _WIDTH)
    add("v.post_ln", _WIDTH)
    for layer in range(_LAYERS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            add(f"v.blk.{layer}.{part}", _WIDTH, _WIDTH)
        add(f"v.blk.{layer}.ln1", _WIDTH)
        add(f"v.blk.{layer}.ln2", _WIDTH)
        add(f"v.blk.{layer}.ffn_up", _FFN, _WIDTH)
        add(f"v.blk.{layer}.ffn_down", _WIDTH, _FFN)
    add("mm.0", _OUT, _WIDTH)
    add("mm.2", _OUT, _OUT)
    return tensors
