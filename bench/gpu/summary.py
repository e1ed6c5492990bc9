#!/usr/bin/env python3
"""Geometric means of what scripts/gpu-session measured.

    bench/gpu/summary.py FOLDER

Reads rows-*.json and cudnn-*.json there, which may be compressed (.json.gz). Each line is of the layers of one type, direction and batch
that the chosen algorithm computed:

    chosen         time of a call with the algorithm that a plan chooses
    over fastest   how many times as long the chosen one took as the fastest of all
    over cudnn     how many times as long the chosen one took as cuDNN in its better layout
    over clblast   how many times as long it took as CLBlast's convgemm, on the layers that this computes

In f32 algorithms that round operands to tf32 are left out; lines of tf32 have the fastest of all
instead of the chosen, beside cuDNN with TF32 on. Times are the device's, or where its clock stands
still, the host's.
"""
import collections
import glob
import gzip
import json
import math
import sys


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def load(folder, pattern):
    """The JSON files of a pattern."""
    for path in sorted(glob.glob(f"{folder}/{pattern}.json*")):
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            yield json.load(file)


def read(folder):
    """Rows of every file, by (type, direction, batch) and layer; cuDNN's best; and CLBlast's."""
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    cudnn, clblast = {}, {}
    for all_rows in load(folder, "rows-*"):
        for row in all_rows:
            if "refusal" in row:
                continue
            row["time"] = row["median"] or row["wall"]
            key = row["type"], row["direction"], row["batch"]
            if row.get("peer") == "clblast":
                clblast[(*key, row["layer"])] = row["time"]
            else:
                rows[key][row["layer"]].append(row)
    for peer in load(folder, "cudnn-*"):
        for row in peer["rows"]:
            key = row["precision"], row["direction"], row["batch"], row["layer"]
            cudnn[key] = min(row["median"], cudnn.get(key, math.inf))
    return rows, cudnn, clblast


def summarize(layers, key, cudnn, clblast, may_round):
    """One line, or None where there is nothing to tell."""
    times, over_fastest, over_cudnn, over_clblast = [], [], [], []
    for layer, all_rows in layers.items():
        rows = [row for row in all_rows if may_round or not row["rounds"]]
        fastest = min((row["time"] for row in rows), default=None)
        chosen = fastest if may_round else next((row["time"] for row in rows if row["chosen"]), None)
        if chosen is None:
            continue
        times.append(chosen)
        over_fastest.append(chosen / fastest)
        peer = cudnn.get(("tf32" if may_round else key[0], *key[1:], layer))
        if peer:
            over_cudnn.append(chosen / peer)
        if (*key, layer) in clblast:
            over_clblast.append(chosen / clblast[(*key, layer)])
    if not times:
        return None
    label = "tf32" if may_round else key[0]
    return [label, key[1], str(key[2]), str(len(times)), f"{mean(times) * 1e6:.1f}",
            f"{mean(over_fastest):.2f}", *(f"{mean(over):.2f}" if over else "-" for over in (over_cudnn, over_clblast))]


def main():
    if len(sys.argv) != 2:
        print("usage: bench/gpu/summary.py FOLDER", file=sys.stderr)
        sys.exit(2)
    rows, cudnn, clblast = read(sys.argv[1])
    lines = [["type", "direction", "batch", "layers", "chosen, us", "over fastest", "over cudnn", "over clblast"]]
    for key in sorted(rows):
        lines.append(summarize(rows[key], key, cudnn, clblast, False))
        if any(row["rounds"] for layer in rows[key].values() for row in layer):
            lines.append(summarize(rows[key], key, cudnn, clblast, True))
    lines = [line for line in lines if line]
    if len(lines) == 1:
        print("summary: nothing was timed", file=sys.stderr)
        sys.exit(1)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths)))


if __name__ == "__main__":
    main()
