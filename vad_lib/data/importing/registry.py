"""The public data sets that an import knows, by name. One more is a module of :mod:`vad_lib.data.importing.sets` and a line."""

from vad_lib.data.importing.sets.avenue import AVENUE
from vad_lib.data.importing.sets.msad import MSAD
from vad_lib.data.importing.sets.ped2 import PED2
from vad_lib.data.importing.sets.shanghaitech import SHANGHAITECH
from vad_lib.data.importing.sets.tad import TAD
from vad_lib.data.importing.sets.ubnormal import UBNORMAL
from vad_lib.data.importing.sets.ucf_crime import UCF_CRIME
from vad_lib.data.importing.sets.xd_violence import XD_VIOLENCE

PUBLIC_SETS = {known.name: known for known in (UCF_CRIME, XD_VIOLENCE, SHANGHAITECH, UBNORMAL, TAD, MSAD, PED2, AVENUE)}
