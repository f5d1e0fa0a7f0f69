"""Folders of images: what is read is what a viewer shows, and what Pillow would make of it otherwise is refused."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from hermite_collapse.core.errors import InputError
from hermite_collapse.storage import pictures
from hermite_collapse.storage.image_folders import image_files
from hermite_collapse.storage.pictures import read_images
from hermite_collapse.storage.samples import read_stored

Image = pytest.importorskip("PIL.Image")

RGB = np.random.default_rng(0).integers(0, 256, (4, 3, 3)).astype(np.uint8)
COLOURS = Image.fromarray(RGB)
GREY = COLOURS.convert("L")
DEEP = np.random.default_rng(1).integers(0, 65536, (4, 3)).astype(np.uint16)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def orientation(value: int):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "webp"])
def test_every_format_without_loss(tmp_path, suffix):
    few = COLOURS.quantize(8).convert("RGB")  # as many as a GIF holds
    few.save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(read_images(tmp_path)[0], np.asarray(few))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif"])
@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4\n", b"MM\0*", b""]
)
def test_names_do_not_choose_the_decoder(tmp_path, monkeypatch, name, content):
    import subprocess

    def started(*_args, **_options):
        raise AssertionError("another program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"must be a readable folder of images, got: {name}: "):
        read_stored(tmp_path)


def test_other_formats_are_refused_under_any_name(tmp_path):
    COLOURS.save(tmp_path / "a.png", "PPM")  # read by Pillow itself where it may
    with pytest.raises(ValueError, match=r"a\.png: cannot identify"):
        read_images(tmp_path)


def test_only_six_formats():
    assert set(pictures._FORMATS) == {"PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"}


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_orientation(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    COLOURS.save(tmp_path / f"a.{suffix}", exif=orientation(6), **options)
    assert np.array_equal(read_images(tmp_path)[0], np.rot90(RGB, -1))


def test_palettes_become_colours(tmp_path):
    palette = COLOURS.quantize(4)
    palette.save(tmp_path / "a.png")
    assert np.array_equal(read_images(tmp_path)[0], np.asarray(palette.convert("RGB")))


def test_the_first_frame_of_a_gif(tmp_path):
    GREY.save(tmp_path / "a.gif", save_all=True, append_images=[GREY.rotate(180)])
    assert np.array_equal(read_images(tmp_path)[0][..., 0], np.asarray(GREY))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_dropped_where_there_is_none(tmp_path, mode):
    image = COLOURS.convert(mode)
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_images(tmp_path)[0], np.asarray(GREY if mode == "LA" else COLOURS))
    image.putpixel((0, 0), (*image.getpixel((0, 0))[:-1], 254))
    image.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: transparent pixels"):
        read_images(tmp_path)


def test_transparent_colours_and_levels(tmp_path):
    COLOURS.quantize(4).save(tmp_path / "a.png", transparency=0)
    with pytest.raises(ValueError, match="transparent pixels"):
        read_images(tmp_path)
    rows = b"".join(b"\0" + struct.pack(">2H", 1, 300) for _ in range(2))
    (tmp_path / "a.png").write_bytes(png(2, 2, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 300))))
    with pytest.raises(ValueError, match="transparent pixels"):
        read_images(tmp_path)
    (tmp_path / "a.png").write_bytes(png(2, 2, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 7))))
    assert read_images(tmp_path)[0].tolist() == [[1, 300], [1, 300]]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_grey_of_16_bits(tmp_path, suffix):
    Image.fromarray(DEEP).save(tmp_path / f"a.{suffix}")
    images = read_images(tmp_path)
    assert images.dtype == np.uint16 and np.array_equal(images[0], DEEP)
    GREY.save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=rf"b\.png of 8 bits where a\.{suffix} has 16"):
        read_images(tmp_path)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_16_bits_would_be_cut(tmp_path, colour, channels):
    rows = b"".join(b"\0" + struct.pack(f">{2 * channels}H", *[65535] * (2 * channels)) for _ in range(2))
    (tmp_path / "a.png").write_bytes(png(2, 2, 16, colour, rows))
    with pytest.raises(ValueError, match="colours of 16 bits"):
        read_images(tmp_path)


def test_few_bits_of_grey_are_stretched(tmp_path):
    (tmp_path / "a.png").write_bytes(png(4, 1, 2, 0, b"\0" + bytes([0b00011011])))
    assert read_images(tmp_path)[0].tolist() == [[0, 85, 170, 255]]


@pytest.mark.parametrize(
    "content",
    [
        png(60_000, 60_000, 8, 0, bytes(100)),
        png(13_000, 13_000, 8, 0, bytes(100)),
        png(2, 2, 8, 0, bytes(6), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 26)))),
    ],
    ids=["pixels", "fewer pixels", "text"],
)
def test_images_that_swell(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png: .*(bomb|too large)"):
        read_images(tmp_path)


def test_folders_that_would_not_fit(tmp_path, monkeypatch):
    from hermite_collapse.core import memory

    for i in range(5):
        COLOURS.save(tmp_path / f"{i}.png")
    monkeypatch.setattr(memory, "memory_of_machine", lambda: 100.0)
    with pytest.raises(InputError, match="must fit this machine's memory of 100 bytes, got 180 bytes"):
        read_images(tmp_path)


def test_hidden_files_and_folders_are_no_images(tmp_path):
    COLOURS.save(tmp_path / "b.PNG")
    (tmp_path / "._b.png").write_bytes(b"what another system keeps beside it")
    (tmp_path / "a.png").mkdir()
    assert [file.name for file in image_files(tmp_path)] == ["b.PNG"]


def test_threads_read_the_same_and_name_the_first_that_is_damaged(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 5)).astype(np.uint8)
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    alone = read_images(tmp_path)
    monkeypatch.setattr(pictures, "_LARGE", 0)
    monkeypatch.setattr(pictures, "_THREADS", 3)
    assert np.array_equal(read_images(tmp_path), alone) and np.array_equal(alone, images)
    for i in (7, 12):
        (tmp_path / f"{i}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^7\.png: "):
        read_images(tmp_path)
    (tmp_path / "3.png").write_bytes(png(50_000, 50_000, 8, 0, b""))
    with pytest.raises(ValueError, match=r"^3\.png: .*decompression bomb"):
        read_images(tmp_path)
