"""Images with masks: CamVid and VOC by name, the user's pairs in every layout, and what is refused."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from levelhead.data import Augment, Batches, DownloadError, Split, load
from levelhead.data.masks import LONGEST_SIDE, read_mask
from levelhead.data.records import class_counts

from .layouts import scenes, write_pairs, write_tree, write_voc

COUNTS = {"train": 4, "cal": 2, "test": 3}


@pytest.fixture
def pairs(tmp_path):
    return tmp_path / "street", write_pairs(tmp_path / "street", COUNTS)


def test_camvid_is_read_whole(real_data):
    data = load("camvid", data_dir=real_data)
    assert data.kind == "segmentation"
    assert data.split_info["sizes"] == {"train": 367, "cal": 101, "test": 233}
    assert data.shape == (3, 180, 240)
    assert data.num_classes == 11
    labels = data.splits["test"].labels
    assert labels.dtype == np.uint8
    assert set(np.unique(labels[::20])) == {*range(11), 255}
    counts = dict(zip(data.classes, data.counts()["test"]))
    assert sum(counts.values()) == 9_677_223 == np.count_nonzero(labels != 255)
    assert max(counts, key=counts.get) == "road"
    # the road is at the bottom, the sky at the top
    rows = {
        name: np.nonzero(labels[::20] == data.classes.index(name))[1].mean() for name in ("sky", "building", "road")
    }
    assert rows["sky"] < rows["building"] < rows["road"]
    said = " ".join(data.notes)
    assert "val part of CamVid is used as cal" in said
    assert "not those of the published benchmark" in said
    assert "images: 367 train, 101 cal, 233 test" in said


def test_camvid_in_the_usual_layout_is_the_same(tmp_path):
    written = write_pairs(tmp_path / "flat", {"train": 3, "val": 2, "test": 2})
    for role, arrays in written.items():
        for number, (image, mask) in enumerate(arrays):
            mask = np.where(mask == 255, 11, mask)
            for folder, pixels in ((role, image), (f"{role}annot", mask)):
                path = tmp_path / "usual" / "CamVid" / folder / f"{number:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
            for name, pixels in ((f"{number:02d}.png", image), (f"{number:02d}_label.png", mask)):
                path = tmp_path / "beside" / "camvid" / role / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    one, other = (load("camvid", data_dir=tmp_path / layout) for layout in ("usual", "beside"))
    assert one.fingerprint == other.fingerprint
    assert "7 images" not in one.origin
    assert any("3 / 2 / 2 images, not the 367 / 101 / 233" in note for note in one.notes)
    for role, source in (("train", "train"), ("cal", "val"), ("test", "test")):
        for row, (image, mask) in enumerate(written[source]):
            assert np.array_equal(one.splits[role].inputs[row], image.transpose(2, 0, 1))
            assert np.array_equal(one.splits[role].labels[row], mask)


def test_voc_is_fitted_and_its_val_is_test(tmp_path):
    write_voc(tmp_path)
    data = load("voc", data_dir=tmp_path, image_size=(20, 30), cal_size=2)
    assert data.split_info["sizes"] == {"train": 4, "cal": 2, "test": 4}
    assert data.num_classes == 21
    assert data.classes[15] == "person"
    assert "each scaled to fit into 20x30, the rest of it ignored" in data.origin
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    names = (folder / "ImageSets/Segmentation/val.txt").read_text().split()
    for row, name in enumerate(names):
        mask = np.asarray(Image.open(folder / "SegmentationClass" / f"{name}.png"))
        found = data.splits["test"].labels[row]
        if mask.shape == (20, 30):
            assert np.array_equal(found, mask)
        else:  # upright: 30x20 fits as 20x13, and nothing of it is lost at the edges
            assert (found[:, 13:] == 255).all()
            assert (data.splits["test"].inputs[row][:, :, 13:] == 0).all()
            rows, columns = ((np.arange(20) + 0.5) * 1.5).astype(int), ((np.arange(13) + 0.5) * 20 / 13).astype(int)
            assert np.array_equal(found[:, :13], mask[rows][:, columns])


def test_known_sets_that_are_not_there_say_which_files(tmp_path):
    for name, said in (("camvid", "170 MB"), ("voc", "VOCtrainval")):
        with pytest.raises(DownloadError, match=said):
            load(name, data_dir=tmp_path)


def test_pairs_of_the_user(pairs):
    folder, written = pairs
    data = load(folder)
    assert (data.kind, data.name, data.classes) == ("segmentation", "street", ("0", "1", "2"))
    assert data.split_info["sizes"] == COUNTS
    for role, arrays in written.items():
        assert np.array_equal(data.splits[role].inputs, np.stack([image.transpose(2, 0, 1) for image, _ in arrays]))
        assert np.array_equal(data.splits[role].labels, np.stack([mask for _, mask in arrays]))
        assert data.counts()[role] == [int((np.stack([m for _, m in arrays]) == k).sum()) for k in range(3)]
    pixels = np.stack([image for image, _ in written["train"]]) / 255
    np.testing.assert_allclose(data.mean, pixels.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std((0, 1, 2)), atol=1e-6)
    ids = np.concatenate([split.ids for split in data.splits.values()])
    assert sorted(ids) == list(range(9))
    assert data.augment == Augment(crop=2, flip=True)  # a sixteenth of 32


def test_class_names_come_from_a_file_and_a_class_may_be_missing(pairs):
    folder, _ = pairs
    (folder / "classes.txt").write_text("wall\nfloor\npost\ncat\n")
    data = load(folder)
    assert data.classes == ("wall", "floor", "post", "cat")
    assert data.counts()["train"][3] == 0
    assert any("fewer than 5 pixels of 1 of 4 classes (class cat: 0)" in note for note in data.notes)


def test_pairs_without_a_split_are_cut_image_by_image(tmp_path):
    write_pairs(tmp_path / "all", {"train": 20})
    for name in ("images", "masks"):
        shutil.move(tmp_path / "all" / "train" / name, tmp_path / "all" / name)
    (tmp_path / "all" / "train").rmdir()
    data = load(tmp_path / "all", cal_size=4, test_size=6)
    assert data.split_info["sizes"] == {"train": 10, "cal": 4, "test": 6}
    assert load(tmp_path / "all", cal_size=4, test_size=6, train_size=3).split_info["sizes"]["train"] == 3
    assert sorted(np.concatenate([split.ids for split in data.splits.values()])) == list(range(20))


def test_large_images_are_brought_to_what_two_cores_can_train_on(tmp_path):
    write_pairs(tmp_path / "large", {"train": 1, "cal": 1, "test": 1}, (300, 400))
    data = load(tmp_path / "large")
    assert data.shape == (3, 192, LONGEST_SIDE)
    assert load(tmp_path / "large", image_size=(30, 40)).shape == (3, 30, 40)


def test_folders_of_classes_are_still_folders_of_classes(tmp_path):
    write_tree(tmp_path / "pets", {"cat": 8, "dog": 8})
    assert load(tmp_path / "pets").kind == "image"


def remove(folder, name):
    (folder / name).unlink()


def paint(folder, name, value, size=(24, 32), mode=None):
    image = Image.fromarray(np.full(size, value, np.uint8))
    (image.convert(mode) if mode else image).save(folder / name)


def cut_short(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])


def colours(folder, name):
    Image.fromarray(scenes(1)[0][0]).save(folder / name)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: remove(f, "train/masks/01.png"), r"image .*01.png has no mask .*\(1 of 4 images have none\)"),
        (lambda f: remove(f, "test/images/02.png"), r"mask .*02.png has no image"),
        (lambda f: paint(f, "train/masks/00.png", 1, (24, 30)), r"00.png \(it is 24x30 but its image 00.png is 24x32"),
        (lambda f: paint(f, "test/masks/00.png", 7), r"test/masks/00.png: class 7 is in no mask of train"),
        (lambda f: colours(f, "cal/masks/00.png"), r"holds colours \(RGB\), not classes"),
        (lambda f: (f / "cal/masks/00.png").write_bytes(b"no image"), r"masks/00.png \(it is of no format of images\)"),
        (lambda f: cut_short(f, "test/masks/01.png"), r"1 of 9 pairs of image and mask cannot be used: .*masks/01.png"),
        (
            lambda f: cut_short(f, "test/images/01.png"),
            r"1 of 9 pairs .*images/01.png \(.*; .*go on without it by --skip",
        ),
        (lambda f: (f / "train/images/01.jpg").write_bytes(b""), r"have the same name"),
        (lambda f: (f / "classes.txt").write_text("a\nb\n"), r"class 2 at row \d+, column \d+ is outside 0 to 1"),
        (lambda f: (f / "classes.txt").write_text("a\na\n"), r"different class names"),
        (lambda f: shutil.rmtree(f / "cal/masks"), r"cal holds no images with masks"),
        (lambda f: [paint(f, f"train/masks/{n:02d}.png", 255) for n in range(4)], r"no class beside 255"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(pairs, damage, said):
    damage(pairs[0])
    with pytest.raises(ValueError, match=said):
        load(pairs[0])


def test_masks_of_zero_and_255_are_explained(pairs):
    folder, written = pairs
    for role, arrays in written.items():
        for number, (_, mask) in enumerate(arrays):
            Image.fromarray(np.where(mask == 0, 0, 255).astype(np.uint8)).save(
                folder / role / f"masks/{number:02d}.png"
            )
    with pytest.raises(ValueError, match="a mask of 0 and 255 as 0 and 1"):
        load(folder)


def broken(folder):
    """A cut image, a cut mask, an empty mask and a mask of another size; their names with the folder in front."""
    cut_short(folder, "train/images/01.png")
    cut_short(folder, "train/masks/02.png")
    (folder / "cal/masks/00.png").write_bytes(b"")
    paint(folder, "test/masks/02.png", 1, (24, 30))
    return {"train": ["images/01.png", "masks/02.png"], "cal": ["masks/00.png"], "test": ["masks/02.png"]}


def test_all_broken_pairs_are_named_at_once_wherever_the_first_is_found(pairs):
    folder, _ = pairs
    names = broken(folder)
    with pytest.raises(ValueError, match=r"4 of 9 pairs of image and mask cannot be used: .*; replace") as caught:
        load(folder)
    assert all(f"{folder}/{role}/{name}" in str(caught.value) for role, each in names.items() for name in each)
    for role in ("train", "cal", "test"):  # headers are whole, masks are whole: only pixels of images tell
        for number in range(COUNTS[role]):
            paint(folder, f"{role}/masks/{number:02d}.png", number % 2)
    write_pairs(folder.parent / "again", COUNTS)
    for name in ("train/images/00.png", "test/images/01.png"):
        cut_short(folder.parent / "again", name)
    with pytest.raises(ValueError, match=r"2 of 9 pairs .*train/images/00.png \(.*; .*test/images/01.png \("):
        load(folder.parent / "again")


def test_broken_pairs_are_left_out_and_the_others_are_as_they_were(pairs):
    folder, written = pairs
    names = broken(folder)
    data = load(folder, skip_broken=True)
    assert data.split_info["sizes"] == {"train": 2, "cal": 1, "test": 2}
    assert data.split_info["broken"] == {role: [f"{role}/{name}" for name in each] for role, each in names.items()}
    for role, kept in (("train", [0, 3]), ("cal", [1]), ("test", [0, 1])):
        assert np.array_equal(data.splits[role].labels, np.stack([written[role][row][1] for row in kept]))
        images = np.stack([written[role][row][0].transpose(2, 0, 1) for row in kept])
        assert np.array_equal(data.splits[role].inputs, images)
    note = next(note for note in data.notes if "left out" in note)
    assert note.startswith("4 pairs of image and mask that cannot be used were left out (2 of train, 1 of cal, 1 of te")
    assert load(folder.parent / "street", skip_broken=True).fingerprint == data.fingerprint
    paint(folder, "test/masks/00.png", 7)  # what a mask means is never left out
    with pytest.raises(ValueError, match="class 7 is in no mask of train"):
        load(folder, skip_broken=True)


def test_a_role_of_broken_pairs_alone_is_refused(pairs):
    for number in range(2):
        cut_short(pairs[0], f"cal/images/{number:02d}.png")
    with pytest.raises(ValueError, match="none of the 2 pairs of image and mask of cal can be used"):
        load(pairs[0], skip_broken=True)


def test_known_sets_go_on_without_broken_pairs(tmp_path):
    write_voc(tmp_path / "v")
    folder = tmp_path / "v" / "VOCdevkit" / "VOC2012"
    name = (folder / "ImageSets/Segmentation/val.txt").read_text().split()[1]
    cut_short(folder, f"SegmentationClass/{name}.png")
    write_pairs(tmp_path / "c" / "camvid", {"train": 3, "val": 2, "test": 2})
    for role in ("train", "val", "test"):
        root = tmp_path / "c" / "camvid"
        shutil.move(root / role / "masks", root / f"{role}annot")
        for image in (root / role / "images").iterdir():
            shutil.move(image, root / role)
        (root / role / "images").rmdir()
    cut_short(tmp_path / "c" / "camvid", "train/02.png")
    for source, root, counts in (
        ("voc", tmp_path / "v", {"train": 4, "cal": 2, "test": 3}),
        ("camvid", tmp_path / "c", {"train": 2, "cal": 2, "test": 2}),
    ):
        asked = {"data_dir": root, **({"cal_size": 2} if source == "voc" else {})}
        with pytest.raises(ValueError, match=r"1 of .* pairs of image and mask cannot be used"):
            load(source, **asked)
        data = load(source, skip_broken=True, **asked)
        assert data.split_info["sizes"] == counts
        assert any("1 pair of image and mask that cannot be used was left out" in note for note in data.notes)


@pytest.mark.parametrize("fit", ["letterbox", "cover", "stretch"])
@pytest.mark.parametrize("size", [(24, 32), (20, 20), (12, 40), (48, 30)])
def test_image_and_mask_are_brought_to_size_alike(tmp_path, fit, size):
    """Large areas, so that the class of a pixel tells its colour away from their edges."""
    write_pairs(tmp_path / "areas", COUNTS)
    colours = np.array([30, 120, 210], np.uint8)
    rng = np.random.default_rng(0)
    for role, number in COUNTS.items():
        for row in range(number):
            mask = np.kron(rng.integers(0, 3, (3, 4)), np.ones((24, 24))).astype(np.uint8)
            Image.fromarray(mask).save(tmp_path / "areas" / role / "masks" / f"{row:02d}.png")
            Image.fromarray(colours[mask]).convert("RGB").save(tmp_path / "areas" / role / "images" / f"{row:02d}.png")
    data = load(tmp_path / "areas", image_size=size, fit=fit)
    assert data.split_info.get("fit", "letterbox") == fit
    inputs, labels = data.splits["test"].inputs[:, 0], data.splits["test"].labels
    used = labels != 255
    assert bool(used.all()) == (fit != "letterbox" or size == (24, 32))
    assert (inputs[~used] == 0).all()
    alike = np.abs(inputs[used].astype(int) - colours[labels[used]]) < 40
    assert alike.mean() > 0.8  # the others lie on the edges of areas, where colours are mixed
    usual = load(tmp_path / "areas", image_size=size)
    assert (usual.fingerprint == data.fingerprint) == (fit == "letterbox" or size == (24, 32))


def test_a_border_is_not_cut_off_images_with_masks(pairs):
    with pytest.raises(ValueError, match=r"fit=central cuts a border off every image.*letterbox .*cover .*or stretch"):
        load(pairs[0], fit="central")


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "RGB"])
def test_masks_are_read_by_their_values(tmp_path, mode):
    values = np.array([[0, 1], [1, 0]], np.uint8)
    if mode == "P":
        image = Image.fromarray(values)
        image.putpalette(bytes(range(256)) * 3)
    elif mode == "1":
        image = Image.fromarray(values.astype(bool))
    elif mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16))
    else:
        image = Image.fromarray(values).convert(mode)
    image.save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", 2), values)


def test_counts_leave_out_what_is_ignored():
    labels = np.array([[[0, 255], [2, 2]], [[255, 255], [1, 2]]], np.uint8)
    assert class_counts(labels, 4).tolist() == [1, 1, 3, 0]


def test_masks_are_cropped_and_mirrored_with_their_images():
    """Every pixel of the image tells its own class, so that whatever moves one must move the other."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 100, (40, 9, 7), dtype=np.uint8)
    inputs = np.repeat(labels[:, None] + 1, 3, 1)  # 1 to 100, so that 0 is what a crop adds
    batches = Batches(Split(inputs, labels, np.arange(40)))
    assert batches.labels.dtype == torch.uint8
    moved = 0
    for augment in (Augment(crop=3), Augment(flip=True), Augment(crop=2, flip=True)):
        images, masks = batches.take(
            torch.arange(40),
            mean=np.zeros(3, np.float32),
            std=np.ones(3, np.float32),
            augment=augment,
            generator=torch.Generator().manual_seed(1),
            train=True,
        )
        assert masks.dtype == torch.int64
        shown = (images[:, 0] * 255).round().long()
        assert torch.equal(masks, torch.where(shown == 0, 255, shown - 1))
        assert bool((shown == 0).any()) == (augment.crop > 0)
        moved += int((masks != torch.from_numpy(labels)).flatten(1).any(1).sum())
    assert moved > 60


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_mask_is_turned_as_its_image_is(tmp_path, orientation):
    stored = np.zeros((20, 30), np.uint8)
    stored[:8], stored[:, :5] = 1, 2
    exif = Image.Exif()
    exif[0x0112] = orientation
    for role in ("train", "cal", "test"):
        for folder, pixels in (("images", 100 * stored), ("masks", stored)):
            (tmp_path / role / folder).mkdir(parents=True)
            for number in range(3):
                Image.fromarray(pixels).save(tmp_path / role / folder / f"{number}.png", exif=exif)
    split = load(tmp_path).splits["train"]
    assert split.labels.shape[1:] == ((20, 30) if orientation == 3 else (30, 20))
    assert np.array_equal(split.inputs[:, 0] // 100, split.labels)
    assert not np.array_equal(split.labels[0], stored)
