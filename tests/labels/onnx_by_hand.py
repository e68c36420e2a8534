"""An ONNX file of one convolution, written byte by byte: a segmenter whose verdicts can be worked out on paper."""

import struct

import numpy as np


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _field(number, value):
    """A field of a protocol buffer: an int as a varint, text and bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name, values):
    dims = b"".join(_field(1, side) for side in values.shape)
    return dims + _field(2, 1) + _field(8, name) + _field(9, struct.pack(f"<{values.size}f", *values.ravel()))


def _value(name, shape):
    dims = b"".join(_field(1, _field(1, side) if isinstance(side, int) else _field(2, side)) for side in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, dims)))


def write_classifier(path, weights, bias, size=("h", "w")):
    """Logits (1, C, h, w) = ``weights`` (C, 3) times the colour of every pixel, plus ``bias`` (C,)."""
    weights = np.asarray(weights, np.float32)[:, :, None, None]
    kernel = _field(1, "kernel_shape") + _field(8, 1) + _field(8, 1) + _field(20, 7)
    node = _field(1, "x") + _field(1, "w") + _field(1, "b") + _field(2, "y") + _field(4, "Conv") + _field(5, kernel)
    graph = _field(1, node) + _field(2, "classifier")
    graph += _field(5, _tensor("w", weights)) + _field(5, _tensor("b", np.asarray(bias, np.float32)))
    graph += _field(11, _value("x", (1, 3, *size))) + _field(12, _value("y", (1, len(weights), *size)))
    path.write_bytes(_field(1, 8) + _field(8, _field(1, "") + _field(2, 13)) + _field(7, graph))
    return path
