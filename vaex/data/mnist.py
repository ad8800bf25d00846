"""MNIST."""

from dataclasses import dataclass

from vaex.data.base import Data, Raw
from vaex.data.originals import Originals
from vaex.data.prepared import prepared

MNIST = Originals(
    name="mnist",
    version="3.0.1",
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)


@dataclass(frozen=True, kw_only=True)
class Mnist(Data):
    """MNIST's 60,000 and 10,000 handwritten digits, 28 x 28 x 1, 256 grey levels, through tensorflow-datasets.

    References:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition" (1998)
    """

    manual_dir: str | None = None  # the original files, instead of downloading; default VAEX_DATA_DIR
    data_dir: str | None = None  # tensorflow-datasets' folder; default TFDS_DATA_DIR, else ~/tensorflow_datasets

    @property
    def name(self) -> str:
        """What the data set is called."""
        return MNIST.name

    def read(self) -> Raw:
        """Returns the images, prepared at first use and cached."""
        return prepared(MNIST.name, MNIST.version, self.data_dir, self.manual_dir, originals=MNIST)
