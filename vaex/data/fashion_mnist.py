"""Fashion-MNIST."""

from dataclasses import dataclass

from vaex.data.base import Data, Raw
from vaex.data.originals import Originals
from vaex.data.prepared import prepared

FASHION_MNIST = Originals(
    name="fashion_mnist",
    version="3.0.1",
    sha256={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Data):
    """Fashion-MNIST's 60,000 and 10,000 articles of clothing, 28 x 28 x 1, 256 grey levels.

    References:
        H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
        Algorithms" (2017), https://arxiv.org/abs/1708.07747
    """

    manual_dir: str | None = None  # the original files, instead of downloading; default VAEX_DATA_DIR
    data_dir: str | None = None  # tensorflow-datasets' folder; default TFDS_DATA_DIR, else ~/tensorflow_datasets

    @property
    def name(self) -> str:
        """What the data set is called."""
        return FASHION_MNIST.name

    def read(self) -> Raw:
        """Returns the images, prepared at first use and cached."""
        return prepared(
            FASHION_MNIST.name, FASHION_MNIST.version, self.data_dir, self.manual_dir, originals=FASHION_MNIST
        )
