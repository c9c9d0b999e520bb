"""The models that come with the library: whole, small, safe to open, and as good as their cards say."""

import builtins
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from vad_lib.config import RunSettings, TrainSettings
from vad_lib.data.dataset import load_dataset
from vad_lib.data.prompts import text_features
from vad_lib.data.video import read_frames
from vad_lib.deployment import model_card_page, model_cards, shipped, shipped_data, train_shipped
from vad_lib.deployment.footage_features import feature_recipe, video_features
from vad_lib.deployment.scoring_model import open_model
from vad_lib.errors import ConfigError, DataError, MissingFileError
from vad_lib.evaluation.bootstrap import Bootstrap
from vad_lib.evaluation.scored_videos import ScoredVideos
from vad_lib.methods.base import Method
from vad_lib.runs.run_folder import RunInFolder
from vad_lib.storage.hashing import file_sha256
from vad_lib.storage.reading import read_json

NAMES = ("fights", "fights-causal", "rendered")
LARGEST_BYTES, ALL_BYTES = 1_000_000, 2_000_000
