"""The layouts in which data sets lie on disk, one a file."""

from train.data.layouts.cuhk03 import CUHK03
from train.data.layouts.exported import CROPS
from train.data.layouts.layout import Layout, Options
from train.data.layouts.market1501 import DUKEMTMC, FOLDER, MARKET1501
from train.data.layouts.mars import MARS
from train.data.layouts.msmt17 import MSMT17
from train.data.layouts.vehicleid import VEHICLEID
from train.data.layouts.veri776 import VERI776
from train.data.layouts.viper import VIPER

# A folder is taken for the first of these that it fits.
LAYOUTS: tuple[Layout, ...] = (
    CROPS,
    MARKET1501,
    DUKEMTMC,
    MSMT17,
    CUHK03,
    VIPER,
    MARS,
    VERI776,
    VEHICLEID,
    FOLDER,
)

__all__ = ["FOLDER", "LAYOUTS", "Layout", "Options"]
