"""From a config node to arrays: sources, splits, binarization, rescaling, and the order of batches."""

from vaex.data.array import Array
from vaex.data.base import Data, Dataset, Raw
from vaex.data.digits import Digits
from vaex.data.fashion_mnist import FashionMnist
from vaex.data.mnist import Mnist
from vaex.data.order import batch_indices
from vaex.data.preparation import Preparation

__all__ = ["Array", "Data", "Dataset", "Digits", "FashionMnist", "Mnist", "Preparation", "Raw", "batch_indices"]
