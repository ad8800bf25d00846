"""From a config node to arrays: sources, splits, binarization, rescaling, and the order of batches."""

from vaex.data.array import Array
from vaex.data.base import Data, Dataset, Raw
from vaex.data.counts import Counts
from vaex.data.digits import Digits
from vaex.data.fashion_mnist import FashionMnist
from vaex.data.mnist import Mnist
from vaex.data.order import batch_indices
from vaex.data.patches import Patches
from vaex.data.preparation import Preparation
from vaex.data.tfds import Tfds

__all__ = [
    "Array",
    "Counts",
    "Data",
    "Dataset",
    "Digits",
    "FashionMnist",
    "Mnist",
    "Patches",
    "Preparation",
    "Raw",
    "Tfds",
    "batch_indices",
]
