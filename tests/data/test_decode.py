"""Images of every mode end as 8 bits of one shape; the short cut gives Pillow's pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from levelhead.data import encoded
from levelhead.data.decode import Form, decode, fault, survey
from levelhead.data.jpeg import decode_jpeg
from levelhead.data.lazy import pixels

from .layouts import encoded_image

RGB = Form(3, 2, 3)
GREY = Form(1, 2, 3)
RAMP = np.array([[0, 51, 102], [153, 204, 255]], dtype=np.uint8)


def content(image: Image.Image, form: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def test_grey_is_kept_and_spread_to_three_channels_where_others_have_colour():
    grey = content(Image.fromarray(RAMP))
    assert np.array_equal(decode("x", grey, GREY), RAMP[None])
    assert np.array_equal(decode("x", grey, RGB), np.stack([RAMP] * 3))


def test_16_bits_are_scaled_and_not_cut_off():
    deep = content(Image.fromarray(RAMP.astype(np.uint16) * 257))
    with Image.open(io.BytesIO(deep)) as image:
        assert image.mode.startswith("I")
    assert np.array_equal(decode("x", deep, GREY), RAMP[None])


def test_floats_from_0_to_1_are_scaled():
    floats = content(Image.fromarray(RAMP.astype(np.float32) / 255), "TIFF")
    assert np.array_equal(decode("x", floats, GREY), RAMP[None])


def test_floats_beyond_1_are_refused():
    floats = content(Image.fromarray(RAMP.astype(np.float32)), "TIFF")
    with pytest.raises(ValueError, match=r"a/b.tif cannot .* \(pixels of mode F must lie from 0 to 1"):
        decode("a/b.tif", floats, GREY)


def test_a_palette_is_looked_up():
    image = Image.new("P", (3, 2))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    pixels = decode("x", content(image), RGB)
    assert pixels[:, 0, 0].tolist() == [255, 0, 0]
    assert pixels[:, 0, 1].tolist() == [0, 0, 255]


def test_transparency_is_laid_on_white_and_not_left_to_the_hidden_colour():
    pixels = np.zeros((2, 3, 4), np.uint8)  # transparent black
    pixels[0, 0] = [200, 10, 10, 255]
    pixels[0, 1] = [0, 0, 0, 128]
    decoded = decode("x", content(Image.fromarray(pixels)), RGB)
    assert decoded[:, 0, 0].tolist() == [200, 10, 10]
    assert decoded[:, 0, 1].tolist() == [127] * 3
    assert decoded[:, 1, 2].tolist() == [255] * 3


def test_a_transparent_palette_is_laid_on_white_too():
    image = Image.new("P", (3, 2))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    pixels = decode("x", content(image, transparency=0), RGB)
    assert pixels[:, 0, 0].tolist() == [255] * 3
    assert pixels[:, 0, 1].tolist() == [0, 0, 255]


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (3, 2), (0, 255, 255, 0))
    assert np.abs(decode("x", content(image, "TIFF"), RGB)[:, 0, 0].astype(int) - [255, 0, 0]).max() <= 2


def test_a_jpeg_of_four_inks_is_not_inverted():
    image = Image.new("RGB", (3, 2), (200, 30, 30)).convert("CMYK")
    pixels = decode("x", content(image, "JPEG", quality=95), RGB)[:, 0, 0].astype(int)
    assert np.abs(pixels - [200, 30, 30]).max() <= 12


def test_grey_with_transparency_stays_grey_and_is_laid_on_white():
    image = Image.new("LA", (3, 2), (40, 255))
    image.putpixel((1, 0), (40, 0))
    file = content(image)
    assert survey([("x", file)], None).channels == 1
    assert decode("x", file, GREY)[0].tolist() == [[40, 255, 40], [40, 40, 40]]


def test_one_bit_is_black_and_white():
    image = Image.fromarray(RAMP > 128)
    assert image.mode == "1"
    assert decode("x", content(image), GREY)[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_16_bits_of_colour_keep_their_high_byte():
    # Pillow writes none, so by hand: PNG of one row, three 16-bit samples a pixel
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    row = b"\0" + struct.pack(">6H", 51 * 257, 102 * 257, 255 * 257, 0, 204 * 257, 153 * 257)
    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    assert decode("x", file, Form(3, 1, 2))[:, 0].T.tolist() == [[51, 102, 255], [0, 204, 153]]


def test_of_an_animation_the_first_picture_counts():
    first, second = Image.new("L", (3, 2), 10), Image.new("L", (3, 2), 200)
    file = content(first, "GIF", save_all=True, append_images=[second])
    assert (decode("x", file, RGB) == 10).all()


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_looking_for_faults_finds_what_decoding_would(form, damaged):
    file = content(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)), form)
    found = fault("x", file[: len(file) // 2] if damaged else file)
    assert (found is not None) is damaged


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, RAMP),
        (3, np.rot90(RAMP, 2)),
        (6, np.rot90(RAMP, -1)),  # the camera was held so that the picture must be turned clockwise
        (8, np.rot90(RAMP, 1)),
        (2, RAMP[:, ::-1]),
    ],
)
def test_the_rotation_that_the_camera_noted_is_carried_out(orientation, turned):
    image = Image.fromarray(RAMP)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = content(image, exif=exif)
    form = survey([("x", file)], None)
    assert (form.height, form.width) == turned.shape
    assert np.array_equal(decode("x", file, form)[0], turned)


def test_another_size_is_scaled_to_cover_and_cut_at_the_centre():
    # 2 x 6: grey margins left and right, which must go, and the middle square, which must stay
    wide = np.full((2, 6), 9, np.uint8)
    wide[:, 2:4] = [[10, 20], [30, 40]]
    assert decode("x", content(Image.fromarray(wide)), Form(1, 2, 2))[0].tolist() == [[10, 20], [30, 40]]
    flat = np.full((8, 8), 77, np.uint8)
    assert (decode("x", content(Image.fromarray(flat)), Form(1, 3, 5)) == 77).all()


def test_shrinking_averages_instead_of_picking():
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))
    small = decode("x", content(Image.fromarray(stripes)), Form(1, 2, 2))
    assert np.abs(small.astype(int) - 127).max() < 20


def image_of(height, width, mode="L"):
    return ("x", content(Image.new(mode, (width, height))))


def test_the_form_is_the_most_common_size_and_grey_only_if_all_are():
    sizes = [image_of(10, 20), image_of(10, 20), image_of(30, 30), image_of(5, 5)]
    assert survey(sizes, None) == Form(1, 10, 20)
    assert survey([*sizes, image_of(4, 4, "RGB")], None) == Form(3, 10, 20)


def test_the_longer_side_is_at_most_64_unless_asked_for():
    photographs = [image_of(300, 400, "RGB")]
    assert survey(photographs, None) == Form(3, 48, 64)
    assert survey(photographs, (96, 128)) == Form(3, 96, 128)
    assert survey([image_of(2, 400)], None) == Form(1, 1, 64)


@pytest.mark.parametrize(
    "damage", [lambda file: file[: len(file) // 2], lambda file: b"not an image", lambda file: b""]
)
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_unreadable_image_is_named(damage, form):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = damage(content(Image.fromarray(noise), form))
    with pytest.raises(ValueError, match=r"cats/7.png cannot be read as an image .*; replace or remove it"):
        decode("cats/7.png", file, Form(3, 40, 40))


def test_an_image_too_large_to_be_one_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"x cannot be read as an image \(Image size \(120 pixels\)"):
        survey([image_of(10, 12)], None)


def noise_jpeg(mode="RGB", size=(12, 10)) -> bytes:
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return content(Image.fromarray(pixels).convert(mode), "JPEG")


def test_the_short_cut_gives_pillows_pixels():
    file = noise_jpeg()
    assert np.array_equal(decode_jpeg(file, (3, 10, 12)), decode("x", file, Form(3, 10, 12)))
    grey = noise_jpeg("L")
    assert np.array_equal(decode_jpeg(grey, (1, 10, 12)), decode("x", grey, Form(1, 10, 12)))


def test_the_short_cut_leaves_what_is_unusual_to_pillow():
    file = noise_jpeg()
    assert decode_jpeg(file, (3, 12, 10)) is None
    assert decode_jpeg(noise_jpeg("L"), (3, 10, 12)) is None
    assert decode_jpeg(noise_jpeg("CMYK"), (3, 10, 12)) is None
    assert decode_jpeg(file[:-30], (3, 10, 12)) is None
    assert decode_jpeg(file[:4] + file[-2:], (3, 10, 12)) is None
    assert decode_jpeg(content(Image.fromarray(RAMP)), (1, 2, 3)) is None


def test_the_short_cut_gives_pillows_pixels_on_real_files(real_data):
    path = real_data / "cifar10-jpeg" / "test.parquet"
    if not path.is_file():
        pytest.skip("cifar10-jpeg is not in LEVELHEAD_DATA")
    split = encoded.read_split([path])
    form = Form(3, 32, 32)
    for row in range(0, 10_000, 50):
        where, file = split.file(row)
        assert np.array_equal(decode_jpeg(file, (3, 32, 32)), decode(where, file, form))


def test_central_is_what_networks_are_asked_about_imagenet():
    """torchvision's Resize(256) and CenterCrop(224), but for the rounding of the side in between."""
    from torchvision.transforms import CenterCrop, Resize

    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((600, 400), Image.Resampling.BICUBIC)
    usual = np.asarray(CenterCrop(224)(Resize(256)(image))).transpose(2, 0, 1)
    ours = decode("x", encoded_image(np.asarray(image).transpose(2, 0, 1)), Form(3, 224, 224, "central"))
    assert np.abs(ours.astype(int) - usual).mean() < 0.5
    covered = decode("x", encoded_image(np.asarray(image).transpose(2, 0, 1)), Form(3, 224, 224))
    assert np.abs(covered.astype(int) - usual).mean() > 5


def test_central_cuts_images_of_the_wanted_size_too():
    image = np.zeros((3, 32, 32), np.uint8)
    image[:, 2:30, 2:30] = 200
    assert (pixels("x", encoded_image(image, "JPEG"), Form(3, 32, 32, "central"))[:, 1:-1, 1:-1] > 180).all()
    assert (pixels("x", encoded_image(image), Form(3, 32, 32))[:, :2] == 0).all()
