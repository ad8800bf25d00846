"""The bundled digits: real data without a download."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vaex.data.base import Data, Raw


@dataclass(frozen=True, kw_only=True)
class Digits(Data):
    """Scikit-learn's 1,797 handwritten digits, 8 x 8 x 1, 17 grey levels.

    References:
        E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits" (1998),
        https://archive.ics.uci.edu/dataset/80
    """

    @property
    def name(self) -> str:
        """What the data set is called."""
        return "digits"

    def read(self) -> Raw:
        """Returns the digits, without a split of their own."""
        table = _bundled_table()
        return Raw(train=table[:, :64].reshape(-1, 8, 8, 1).astype(np.uint8), levels=17)


def _bundled_table() -> np.ndarray:
    """Returns the 64 grey values and the label of each digit."""
    # Reading the file itself saves the second that importing scikit-learn takes at the start of every run.
    package = find_spec("sklearn")
    folders = package.submodule_search_locations if package else None
    file = Path(folders[0], "datasets", "data", "digits.csv.gz") if folders else None
    if file and file.exists():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)[0]
