#!/usr/bin/env python3
"""Times cuDNN through PyTorch on the layers of a file, and writes JSON.

    bench/gpu/cudnn_peer.py [--batch N] [--runs N] [--direction DIRECTION] LAYERS...

Three precisions (f32 with TF32 off, TF32 on, f16), each in both layouts and in three directions or the
one that is named; cudnn.benchmark lets cuDNN choose its algorithm. Calls are recorded in a CUDA graph,
so that they follow one another without waiting for Python, and timed by CUDA events around it; times
are those of one call. Exit code 4 without PyTorch or without a GPU, so that a script can tell that from
a failure.
"""
import argparse
import json
import re
import sys

try:
    import torch
except ImportError:
    print("cudnn_peer: no PyTorch", file=sys.stderr)
    sys.exit(4)

WARM_UP = 5
CALLS = 10  # in a graph


def parse(line):
    """A layer of benchdnn's grammar; what is not given has its default there."""
    name = re.search(r'n"([^"]*)"', line)
    text = re.sub(r'_?n"[^"]*"', "", line)
    value = {key: int(number) for key, number in re.findall(r"([a-z]+)(\d+)", text)}
    for key, other in (("iw", "ih"), ("kw", "kh"), ("sw", "sh"), ("pw", "ph"), ("dw", "dh")):
        value.setdefault(key, value.get(other, {"s": 1}.get(key[0], 0)))
        value.setdefault(other, value[key] if other in ("sh", "ph", "dh") else 1)
    value.setdefault("g", 1)
    return name.group(1) if name else text, value


def time_calls(function, runs):
    stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            function()
    stream.synchronize()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(CALLS):
            function()
    graph.replay()
    torch.cuda.synchronize()
    seconds = []
    for _ in range(runs):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        seconds.append(begin.elapsed_time(end) * 1e-3 / CALLS)
    return seconds


def directions(x, w, v):
    stride, pad = (v["sh"], v["sw"]), (v["ph"], v["pw"])
    dilation = (v["dh"] + 1, v["dw"] + 1)

    def forward():
        return torch.nn.functional.conv2d(x, w, None, stride, pad, dilation, v["g"])

    def backward(mask):
        return lambda: torch.ops.aten.convolution_backward(
            dy, x, w, None, stride, pad, dilation, False, (0, 0), v["g"], mask
        )

    dy = torch.rand_like(forward())
    return {
        "forward": forward,
        "backward_data": backward((True, False, False)),
        "backward_weights": backward((False, True, False)),
    }


def time_layer(name, v, options):
    rows = []
    for precision, dtype in (("f32", torch.float32), ("tf32", torch.float32), ("f16", torch.float16)):
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        for layout in (torch.contiguous_format, torch.channels_last):
            x = torch.rand(options.batch, v["ic"], v["ih"], v["iw"], device="cuda", dtype=dtype) * 2 - 1
            w = torch.rand(v["oc"], v["ic"] // v["g"], v["kh"], v["kw"], device="cuda", dtype=dtype) * 2 - 1
            x, w = (tensor.contiguous(memory_format=layout) for tensor in (x, w))
            for direction, function in directions(x, w, v).items():
                if options.direction not in (None, direction):
                    continue
                with torch.no_grad():
                    seconds = time_calls(function, options.runs)
                rows.append({
                    "layer": name, "batch": options.batch, "precision": precision, "direction": direction,
                    "layout": "nhwc" if layout is torch.channels_last else "nchw",
                    "seconds": seconds, "median": sorted(seconds)[len(seconds) // 2],
                })
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--direction", choices=("forward", "backward_data", "backward_weights"))
    parser.add_argument("layers", nargs="+")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("cudnn_peer: PyTorch sees no GPU", file=sys.stderr)
        sys.exit(4)
    torch.backends.cudnn.benchmark = True
    rows = []
    for path in options.layers:
        for line in open(path):
            if line.strip() and not line.startswith("#"):
                rows += time_layer(*parse(line.strip()), options)
    json.dump({
        "device": torch.cuda.get_device_name(), "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(), "rows": rows,
    }, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
