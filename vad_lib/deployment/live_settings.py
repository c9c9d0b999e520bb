"""Settings of live scoring: how long it waits, what it keeps, and when it gives up."""

from pydantic import Field

from vad_lib.config import Settings


class LiveSettings(Settings):
    """What :func:`vad_lib.deployment.live.score_live` does with a camera, a stream or a file."""

    open_seconds: float = Field(10.0, gt=0, description="until an address that does not answer counts as wrong or lost")
    read_seconds: float = Field(15.0, gt=0, description="without a picture until a stream counts as lost")
    late_seconds: float = Field(
        30.0, gt=0, description="that frames may come later than the stream's own clock says; a later stream is connected anew"
    )
    first_pause: float = Field(1.0, gt=0, description="seconds before a lost stream is tried again; each further pause is twice it")
    longest_pause: float = Field(60.0, gt=0, description="seconds")
    waiting: int = Field(4, ge=1, description="snippets that wait for their score; one more, and the oldest is dropped")
    cut_seconds: float = Field(
        1.0,
        gt=0,
        description="between two frames, from which they are no neighbours in a snippet; or twice the usual, if that is more",
    )
    reset_seconds: float = Field(
        5.0, gt=0, description="without a score, after which the model forgets what it saw and an event ends"
    )
    clip_seconds: float = Field(60.0, gt=0, description="length of a clip; longer events get several")
    clip_height: int = Field(360, ge=16, description="pixels of the shorter side of clips; larger frames are made smaller")
    pictures: bool = Field(True, description="False for no clips and no pictures")
    report_seconds: float = Field(30.0, gt=0, description="between two lines about scores and lag")
    speed: float = Field(1.0, gt=0, description="of a file, as a multiple of its own")
    loops: int = Field(1, ge=1, description="times that a file is played")
