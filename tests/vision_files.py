"""A vision projector that a real engine loads, and a picture for it.

Weights of zeros: what the model says of a picture means nothing. That the picture reached it is seen in the tokens of the prompt.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from gguf_bytes import BOOL, F32, STRING, U32, array, key, packed

SIDE = 64  # pixels, after the engine has scaled the picture
PICTURE_TOKENS = 16


def tiny_projector(tokens: int) -> bytes:
    """A vision encoder of one block in LLaVA's form, all zeros, with tokens of that width.

    It makes `PICTURE_TOKENS` of a picture, without special tokens around them that a model of text alone does not know.
    """
    width, ffn, patch = 64, 128, 16
    counts = {
        "image_size": SIDE, "patch_size": patch, "embedding_length": width, "feed_forward_length": ffn, "block_count": 1,
        "attention.head_count": 2, "projection_dim": tokens,
    }  # fmt: skip
    keys = [key("general.architecture", STRING, "clip"), key("clip.projector_type", STRING, "mlp")]
    keys += [key("clip.has_vision_encoder", BOOL, True), key("clip.use_gelu", BOOL, True)]
    keys += [key(f"clip.vision.{name}", U32, value) for name, value in counts.items()]
    keys += [key("clip.vision.attention.layer_norm_epsilon", F32, 1e-6)]
    keys += [array(f"clip.vision.image_{name}", F32, (0.5, 0.5, 0.5)) for name in ("mean", "std")]
    matrices = {f"v.blk.0.{name}": (width, width) for name in ("attn_q", "attn_k", "attn_v", "attn_out")}
    matrices |= {"v.blk.0.ffn_up": (width, ffn), "v.blk.0.ffn_down": (ffn, width)}
    matrices |= {"mm.0": (width, tokens), "mm.2": (tokens, tokens)}
    sizes: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (patch, patch, 3, width), "v.class_embd": (width,),
        "v.position_embd.weight": (width, (SIDE // patch) ** 2 + 1),
    }  # fmt: skip
    for name, (wide, tall) in matrices.items():
        sizes[f"{name}.weight"], sizes[f"{name}.bias"] = (wide, tall), (tall,)
    for name in ("v.pre_ln", "v.post_ln", "v.blk.0.ln1", "v.blk.0.ln2"):
        sizes[f"{name}.weight"] = sizes[f"{name}.bias"] = (width,)
    return packed(keys, sizes)


def write_picture(path: Path, color: tuple[int, int, int] = (200, 30, 30), side: int = 48) -> Path:
    """A PNG of one color; the path."""
    rows = (b"\0" + bytes(color) * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks))
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
