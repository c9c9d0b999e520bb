"""Rendered surveillance videos: SynthCrime (fixed cameras) and SynthViolence (cuts, moving cameras).

People, cars, fire and smoke are drawn with OpenCV in a 2.5-dimensional world and written as real mp4 files, so
that the whole chain (decoding, cropping, I3D) runs on them as it does on footage.

The label must be visible in the event alone. Every video, normal or not, is *staged* for one category: its
scene, light, length, passers-by, cast and props are drawn in the same way, and only the act in the event's
slot differs, the event itself or its harmless look-alike (a punch or a hug, a crash or a hard brake). All other
slots hold look-alikes in both kinds of video. ``vad_lib.data.label_leaks`` measures whether this worked.

The world: x in metres from the middle of the image, depth z from 0 (far) to 1 (near), height h in metres, time
in seconds from the start of the video. Colours are BGR.
"""

from vad_lib.data.synthetic.plan import Job
from vad_lib.data.synthetic.render import jobs, render_dataset
from vad_lib.data.synthetic.sets import DATASETS

__all__ = ["DATASETS", "Job", "jobs", "render_dataset"]
