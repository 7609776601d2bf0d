"""Receptive field: which pixels of a view one place of the last feature map can see, worked out backwards through the graph.

Each operation says which places of its input a range of places of its output reads (Araujo et al. 2019, "Computing receptive fields of
convolutional neural networks"): a convolution or pooling with kernel k, dilation d, stride s and p pixels of padding before reads
``[first * s - p, last * s - p + (k - 1) * d]``. Where branches meet, ranges are joined. The field is not cut off at the view's border, and
may be larger than the view; what exists of it is cut off at the border of every map on the way, for padding holds nothing. Gates computed
from a mean over the whole map (squeeze and excitation) are left out and reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inspection.models.anatomy.graph import Node, Place, graph, is_map, pixels, stage_of
from inspection.models.backend import keras

if TYPE_CHECKING:
    from collections.abc import Sequence

Range = tuple[int, int]
Window = tuple[Range, Range]
"""First and last row, first and last column, all included."""


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What the middle place of the last map of one input sees.

    Attributes
    ----------
    source : str
        The input, ``image`` or ``tiles``.
    rows, cols : int
        Size of the window in pixels of the view, not cut off at its border.
    window : pair of ranges
        Its first and last row and column; the view's own begin at 0.
    seen : pair of ranges
        What exists of the window. Unpadded steps may leave the view's last pixels unread.
    at : Place
        The place of the last map.
    last : Place
        Rows and columns of the last map.
    gated : bool
        Whether a mean over whole maps takes part on the way, so that strictly everything is seen.
    """

    source: str
    rows: int
    cols: int
    window: Window
    seen: Window
    at: Place
    last: Place
    gated: bool


def receptive_fields(model: keras.Model, at: Place | None = None) -> list[ReceptiveField]:
    """The field of each input that has pixels; ``at`` is a place of the last map (default: its middle).

    Dense layers on the bare pixels see all of them: then the field is the view.
    """
    nodes = graph(model)
    fields = []
    for source in (node for node in nodes if not node.inputs):
        for end in _last_maps(nodes):
            place = at or (pixels(end)[0] // 2, pixels(end)[1] // 2)
            window, gated = _seen(nodes, end, place, source, cut=False)
            seen, _ = _seen(nodes, end, place, source, cut=True)
            if window is None or seen is None:
                continue
            if pixels(end) == pixels(source.output):
                window = seen = ((0, pixels(end)[0] - 1), (0, pixels(end)[1] - 1))
            (top, bottom), (left, right) = window
            fields.append(ReceptiveField(source.name, bottom - top + 1, right - left + 1, window, seen, place, pixels(end), gated))
    return fields


def _last_maps(nodes: list[Node]) -> list[Any]:
    """The maps that something without pixels is made of for good, not to be given back to maps."""
    stages = stage_of(nodes)
    sources = {id(node.output) for node in nodes if not node.inputs}
    found: dict[int, Any] = {}
    for node in (n for n in nodes if stages[id(n)] is None):
        for tensor in (t for t in node.inputs if is_map(t)):
            if id(tensor) not in sources or len(node.inputs) == 1:  # attention over tiles looks at the bare tiles, too
                found[id(tensor)] = tensor
    return list(found.values())


def _seen(nodes: list[Node], end: Any, place: Place, source: Node, *, cut: bool) -> tuple[Window | None, bool]:
    """The window of ``source`` that ``place`` of ``end`` reads, None when it reads nothing of it; and whether a gate was on the way.

    ``cut``: at the border of every map.
    """
    windows: dict[int, Window] = {id(end): ((place[0], place[0]), (place[1], place[1]))}
    gated = False
    for node in reversed(nodes):
        window = windows.get(id(node.output))
        if window is None:
            continue
        for tensor in node.inputs:
            if not is_map(tensor) or (pixels(tensor) == (1, 1) != pixels(node.output)):
                gated = True
                continue
            read = _read(node, tensor, window)
            if cut:
                read = _cut(read, pixels(tensor))
                if any(first > last for first, last in read):
                    continue  # padding alone
            windows[id(tensor)] = _join(windows.get(id(tensor), read), read)
    return windows.get(id(source.output)), gated


def _read(node: Node, tensor: Any, window: Window) -> Window:
    """The places of ``tensor`` that ``window`` of the node's output reads."""
    operation = node.operation
    if isinstance(operation, keras.layers.UpSampling2D):
        return _both(lambda axis, first, last: (first // operation.size[axis], last // operation.size[axis]), window)
    if isinstance(operation, keras.layers.ZeroPadding2D):
        return _both(lambda axis, first, last: (first - operation.padding[axis][0], last - operation.padding[axis][0]), window)
    if isinstance(operation, keras.layers.Cropping2D):
        return _both(lambda axis, first, last: (first + operation.cropping[axis][0], last + operation.cropping[axis][0]), window)
    kernel = getattr(operation, "pool_size", None) or getattr(operation, "kernel_size", None)
    if kernel is not None and len(kernel) == 2:
        return _slid(operation, kernel, pixels(tensor), window)
    if pixels(tensor) != pixels(node.output):
        made = f"{pixels(node.output)} of {pixels(tensor)} pixels"
        raise ValueError(f"Cannot follow {node.name}: no rule for how a {node.kind} makes {made}.")
    return window


def _slid(operation: Any, kernel: Sequence[int], size: Place, window: Window) -> Window:
    dilation = getattr(operation, "dilation_rate", (1, 1))
    dilation = (dilation, dilation) if isinstance(dilation, int) else dilation

    def along(axis: int, first: int, last: int) -> Range:
        stride, reach = operation.strides[axis], (kernel[axis] - 1) * dilation[axis]
        before = 0
        if operation.padding == "same":
            before = max((-(-size[axis] // stride) - 1) * stride + reach + 1 - size[axis], 0) // 2
        return first * stride - before, last * stride - before + reach

    return _both(along, window)


def _both(along: Any, window: Window) -> Window:
    rows, cols = window
    return along(0, *rows), along(1, *cols)


def _cut(window: Window, size: Place) -> Window:
    rows, cols = ((max(first, 0), min(last, side - 1)) for (first, last), side in zip(window, size, strict=True))
    return rows, cols


def _join(a: Window, b: Window) -> Window:
    first, second = ((min(p[0], q[0]), max(p[1], q[1])) for p, q in zip(a, b, strict=True))
    return first, second
