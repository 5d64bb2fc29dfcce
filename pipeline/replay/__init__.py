"""What the cameras of a site said, kept in a file, and the matcher run on it again.

The networks need to see a video once; who is who can then be decided again in seconds, with other
settings or a newer camtrail, and always the same way.
"""

from pipeline.replay.file import Recording, write_recording
from pipeline.replay.run import Replayed, replay, settings_of

__all__ = ["Recording", "Replayed", "replay", "settings_of", "write_recording"]
