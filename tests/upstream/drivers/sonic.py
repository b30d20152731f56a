import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from fakes import CONTENTS, LETTER, speak, tensor
from mp4 import mp4

FAKED = (
    "src.dataset.test_preprocess",
    "src.utils.util",
)
CONTENTS["PIL"] = {
    "Image": SimpleNamespace(
        open=lambda path: SimpleNamespace(convert=lambda mode: SimpleNamespace(size=(1, 1)))
    )
}


def image_audio_to_tensor(face_det, feature_extractor, image_path, audio_path, limit, image_size, area):
    return {"ref_img": tensor([[0.0]]), "text": audio_path}


def save_videos_grid(videos, path, n_rows, fps):
    Path(path).write_text(str(len(videos)))


def seed_everything(seed):
    pass


for module, *functions in (
    ("src.dataset.test_preprocess", image_audio_to_tensor),
    ("src.utils.util", save_videos_grid, seed_everything),
):
    for function in functions:
        setattr(sys.modules[module], function.__name__, function)

import sonic  # noqa: E402

sonic.test = lambda *_, batch, **__: tensor([0.0] * speak(batch["text"]))


def system(command):
    """Stands in for ffmpeg: writes a file of the length of the letters."""
    source, target = command.split('"')[1], command.split('"')[5]
    Path(target).write_bytes(mp4(0, int(Path(source).read_text()) * LETTER))


sonic.os = SimpleNamespace(**{**vars(os), "system": system})


class Engine:
    def __init__(self):
        self.sonic = made = sonic.Sonic.__new__(sonic.Sonic)
        made.face_det = made.feature_extractor = made.pipe = made.whisper = made.audio2token = None
        made.audio2bucket = made.image_encoder = made.device = None
        self.folder = tempfile.TemporaryDirectory()

    def whole(self, text):
        self.sonic.process("face.png", text, f"{self.folder.name}/{text}.mp4")
