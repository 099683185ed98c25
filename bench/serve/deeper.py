"""Writes a model with its blocks repeated: as slow as a larger one, with real weights and a real tokenizer, and nonsense to say.

    python bench/serve/deeper.py MODEL.gguf TIMES OUT.gguf

For measurements where a model of a real size cannot be had. Needs PyPI's gguf.
"""

from __future__ import annotations

import sys

from gguf import GGUFReader, GGUFValueType, GGUFWriter


def main() -> None:
    source, times, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    reader = GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    blocks = reader.fields[f"{arch}.block_count"].contents()
    writer = GGUFWriter(target, arch)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value = blocks * times if name == f"{arch}.block_count" else field.contents()
        kind, *rest = field.types
        writer.add_key_value(name, value, kind, rest[-1] if kind == GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        first, number, rest = [*tensor.name.split(".", 2), "", ""][:3]
        copies = range(int(number), blocks * times, blocks) if first == "blk" else (None,)
        for copy in copies:
            name = tensor.name if copy is None else f"blk.{copy}.{rest}"
            writer.add_tensor(name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
