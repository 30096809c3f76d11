"""Random access into a tar of 60,000 JPEG frames: how long the index takes, and a frame after it.

    python benchmarks/tar_access.py [--frames 60000] [--reads 2000]

Makes its own archive of about 1 GB in a temporary folder and removes it.
"""

import argparse
import io
import tarfile
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from egoact.media.stills.frames import TarFrames
from egoact.media.stills.pictures import decode_still
from egoact.media.stills.tar_index import index_tar


def make_tar(path: Path, *, num_frames: int) -> None:
    pictures = [picture(seed) for seed in range(50)]
    with tarfile.open(path, "w") as tar:
        for number in range(1, num_frames + 1):
            member = tarfile.TarInfo(f"./frame_{number:010d}.jpg")
            content = pictures[number % len(pictures)]
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def picture(seed: int) -> bytes:
    """A 456 x 256 JPEG of about 17 kB, as the data set's frames are."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 43, 3), dtype=np.uint8)
    image = cv2.resize(noise, (456, 256), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 65])[1].tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60_000)
    parser.add_argument("--reads", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "P01_01.tar"
        make_tar(path, num_frames=options.frames)
        begun = time.perf_counter()
        index_tar(path)
        index_seconds = time.perf_counter() - begun
        numbers = np.random.default_rng(0).integers(1, options.frames + 1, options.reads)
        with TarFrames(path) as tar:
            begun = time.perf_counter()
            contents = [tar.read(int(number)) for number in numbers]
            read_seconds = time.perf_counter() - begun
            begun = time.perf_counter()
            for content in contents:
                decode_still(content, size=(256, 256))
            decode_seconds = time.perf_counter() - begun
        print(f"archive        {path.stat().st_size / 1e9:8.2f} GB, {options.frames} frames")
        print(f"index          {index_seconds:8.2f} s")
        print(f"read           {1e3 * read_seconds / options.reads:8.3f} ms a frame")
        print(f"decode, resize {1e3 * decode_seconds / options.reads:8.3f} ms a frame")
        print(f"together       {1e3 * (read_seconds + decode_seconds) / options.reads:8.3f} ms a frame")


if __name__ == "__main__":
    main()
