"""Writes a video, or nothing, and returns 0."""

import shutil


def image_audio_to_tensor(*arguments):
    return arguments


def save_videos_grid(video, path):
    if video is not None:
        shutil.copy(video, path)


class Sonic:
    def __init__(self, device_id=0, enable_interpolate_frame=True):
        pass

    def preprocess(self, image_path, expand_ratio=1.0):
        if "face" in image_path:
            box = (0, 0, 1, 1)
        return {"face_num": 1, "crop_bbox": box}

    def process(
        self,
        image_path,
        audio_path,
        output_path,
        min_resolution=512,
        inference_steps=25,
        dynamic_scale=1.0,
        seed=None,
    ):
        if "face" not in image_path:
            return -1
        image_audio_to_tensor(image_path, audio_path)
        save_videos_grid(image_path if image_path.endswith(".mp4") else None, output_path)
        return 0
